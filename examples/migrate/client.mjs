// @ts-check
// Asks a server every few milliseconds and notices each time without an answer.
import { Buffer } from 'node:buffer';
import { createSocket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';

const intervalMs = 2;

export class Client {
  /** When answers came. */
  #arrivals = [performance.now()];
  /** What the server counts. @type {number[]} */
  #counts = [];
  #questions = 0;
  #socket = createSocket('udp4');
  /** @type {NodeJS.Timeout} */
  #timer;

  /** @param {string} address @param {number} port */
  constructor(address, port) {
    this.#socket.on('message', (answer) => {
      this.#arrivals.push(performance.now());
      this.#counts.push(answer.readUInt32LE(4));
    });
    // While the server is nowhere, its host says that nobody listens.
    this.#socket.on('error', () => {});
    this.#timer = setInterval(() => {
      const question = Buffer.alloc(4);
      question.writeUInt32LE(this.#questions++);
      this.#socket.send(question, port, address, () => {});
    }, intervalMs);
  }

  /** Waits until it is answered from now on. */
  async answered() {
    const before = this.#counts.length;
    while (this.#counts.length < before + 5) await sleep(intervalMs);
  }

  /** The longest time without an answer since then, in milliseconds. @param {number} since */
  longestGapMs(since) {
    const times = [since, ...this.#arrivals.filter((time) => time > since)];
    return times.reduce((most, time, at) => Math.max(most, time - (times[at - 1] ?? since)), 0);
  }

  /** A server that began anew, or one that ran twice, would count otherwise. */
  checkCounts() {
    const wrong = this.#counts.findIndex((count, at) => count <= (this.#counts[at - 1] ?? 0));
    if (wrong >= 0) throw new Error(`the server counted ${this.#counts[wrong]} again`);
  }

  close() {
    clearInterval(this.#timer);
    this.#socket.close();
  }
}
