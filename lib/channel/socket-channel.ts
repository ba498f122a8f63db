import { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
import { nativeAddon } from '../native/addon.js';
import type { Channel, ChannelEvents } from './channel.js';
import { Decoder, encode, type Frame, type Kind, kinds } from './frames.js';

/** So many bytes are kept for a listener to come, before nothing more is read. */
const mostKept = 16 * 1024 * 1024;

/** What serves the frames that are no messages: tasks in the program, answers in the pool. */
export type Serve = (kind: number, value: unknown) => void;

/** A channel over one end of a pair of stream sockets. */
export class SocketChannel extends EventEmitter<ChannelEvents> implements Channel {
  readonly #socket: Socket;
  readonly #decoder = new Decoder();
  /** What has come while nobody was there for it. */
  #messages: Frame[] = [];
  readonly #tasks: Frame[] = [];
  #keeps = true;
  #serve: Serve | undefined;
  #isWanted: boolean | undefined;
  readonly #pongs: (() => void)[] = [];
  #hasDisconnected = false;

  /** @param fd - A descriptor that the addon has lent; it belongs to the channel from now on. */
  constructor(fd: number) {
    super();
    nativeAddon().releaseDescriptor(fd);
    this.#socket = new Socket({ fd, readable: true, writable: true });
    this.#socket.unref();
    this.#socket.on('data', (part) => this.#take(part));
    // It is closed after that.
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => this.emit('disconnect'));
    const follow = (name: string | symbol): void => {
      if (name !== 'message' && name !== 'disconnect') return;
      // The listener is there, or gone, after this.
      process.nextTick(() => {
        this.#keepAlive();
        if (name === 'message') this.#deliver();
      });
    };
    const any = this as EventEmitter;
    any.on('newListener', follow);
    any.on('removeListener', follow);
  }

  get connected(): boolean {
    return !this.#hasDisconnected && this.#socket.writable;
  }

  send(message: unknown): boolean {
    return this.tell(kinds.message, message);
  }

  disconnect(): void {
    this.#hasDisconnected = true;
    this.#socket.end();
    // What has not been read keeps the socket open otherwise.
    this.#socket.once('finish', () => this.#socket.destroy());
  }

  ref(): void {
    this.#isWanted = true;
    this.#keepAlive();
  }

  unref(): void {
    this.#isWanted = false;
    this.#keepAlive();
  }

  /** Whether this side has disconnected, and not the other. */
  get hasDisconnected(): boolean {
    return this.#hasDisconnected;
  }

  /** Ends the channel at once, whatever waits to be sent. */
  destroy(): void {
    this.#hasDisconnected = true;
    this.#socket.destroy();
  }

  /** Sends a frame of any kind. */
  tell(kind: Kind, value: unknown): boolean {
    const [header, body] = encode(kind, value);
    if (!this.connected) return false;
    this.#socket.cork();
    this.#socket.write(header);
    const isRoomy = this.#socket.write(body);
    this.#socket.uncork();
    return isRoomy;
  }

  /** Resolves when the other side's event loop has answered; never on a channel that has ended. */
  ping(): Promise<void> {
    return new Promise((resolve) => {
      this.#pongs.push(resolve);
      this.tell(kinds.ping, undefined);
    });
  }

  /** Has what is no message served. */
  serve(serve: Serve | undefined): void {
    this.#serve = serve;
    this.#keepAlive();
    this.#deliver();
  }

  /** Whether messages that nobody listens for are kept; those that have come are dropped when not. */
  keepMessages(keeps: boolean): void {
    this.#keeps = keeps;
    if (keeps) return;
    this.#messages = [];
    this.#deliver();
  }

  #take(part: Buffer): void {
    try {
      for (const frame of this.#decoder.push(part)) this.#handle(frame);
    } catch (error) {
      // It is not as our side would send it, so nothing behind it can be understood.
      this.#socket.destroy(error as Error);
    }
    this.#deliver();
  }

  #handle(frame: Frame): void {
    if (frame.kind === kinds.ping) this.tell(kinds.pong, undefined);
    else if (frame.kind === kinds.pong) this.#pongs.shift()?.();
    else if (frame.kind !== kinds.message) this.#tasks.push(frame);
    else if (this.#keeps || this.#hasListener()) this.#messages.push(frame);
  }

  #deliver(): void {
    while (this.#serve !== undefined && this.#tasks.length > 0) {
      const { kind = -1, value } = this.#tasks.shift() ?? {};
      this.#serve(kind, value);
    }
    // A listener may be there for one message alone.
    while (this.#hasListener() && this.#messages.length > 0) {
      this.#emit(this.#messages.shift()?.value);
    }
    const kept = [...this.#tasks, ...this.#messages].reduce((sum, { bytes }) => sum + bytes, 0);
    if (kept > mostKept) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  /** What a listener throws is its own affair: the other listeners and messages have their turn. */
  #emit(message: unknown): void {
    try {
      this.emit('message', message);
    } catch (error) {
      process.nextTick(() => {
        throw error;
      });
    }
  }

  #hasListener(): boolean {
    return this.listenerCount('message') > 0;
  }

  #keepAlive(): void {
    const listeners = this.listenerCount('message') + this.listenerCount('disconnect');
    const isNeeded = listeners > 0 || this.#serve !== undefined;
    if (this.#isWanted ?? isNeeded) this.#socket.ref();
    else this.#socket.unref();
  }
}
