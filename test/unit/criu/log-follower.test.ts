import {
  appendFileSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { LogFollower } from '../../../lib/criu/log-follower.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();
let file = '';
beforeEach(async () => {
  file = join(await scope.directory(), 'dump.log');
});

const line = (number: number): string => `(00.${String(number).padStart(6, '0')}) line ${number}\n`;

/** Writes lines as CRIU does, to a file that it has begun anew. */
const write = (...numbers: readonly number[]): void =>
  appendFileSync(file, numbers.map(line).join(''));

async function messagesOf(log: LogFollower): Promise<string[]> {
  const messages: string[] = [];
  for await (const { message } of log) messages.push(message);
  return messages;
}

function holdsIt(): boolean {
  return readdirSync('/proc/self/fd').some((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(file);
    } catch {
      return false;
    }
  });
}

const tick = (ms = 60): Promise<void> => new Promise((settle) => setTimeout(settle, ms));

describe('a log is followed', () => {
  test('while it is written, until the operation ends', async () => {
    const log = new LogFollower();
    const seen: string[] = [];
    const reading = (async () => {
      for await (const { message } of log) seen.push(message);
    })();
    await log.attach(file);
    await tick();
    write(1, 2);
    await expect.poll(() => seen).toEqual(['line 1', 'line 2']);
    write(3);
    await expect.poll(() => seen).toContain('line 3');
    write(4);
    await log.detach();
    log.succeed(file);
    await reading;
    expect(seen).toEqual(['line 1', 'line 2', 'line 3', 'line 4']);
    expect(holdsIt()).toBe(false);
  });

  test('by as many as want, each from the beginning', async () => {
    const log = new LogFollower();
    await log.attach(file);
    write(1);
    const first = messagesOf(log);
    await tick();
    write(2);
    log.succeed(file);
    const all = ['line 1', 'line 2'];
    expect(await Promise.all([first, messagesOf(log), messagesOf(log)])).toEqual([all, all, all]);
    expect(holdsIt()).toBe(false);
  });

  test('when it is moved and removed meanwhile', async () => {
    const log = new LogFollower();
    const reading = messagesOf(log);
    await log.attach(file);
    write(1);
    // As images that have failed, whose log is not kept.
    await log.detach();
    const elsewhere = `${file}.old`;
    renameSync(file, elsewhere);
    appendFileSync(elsewhere, line(2));
    rmSync(elsewhere);
    log.succeed('');
    expect(await reading).toEqual(['line 1', 'line 2']);
  });

  test('by a slow reader, who misses nothing of a large one', async () => {
    const log = new LogFollower();
    await log.attach(file);
    const numbers = Array.from({ length: 5_000 }, (_, number) => number);
    write(...numbers);
    const reader = log[Symbol.asyncIterator]();
    expect((await reader.next()).value?.message).toBe('line 0');
    await log.detach();
    rmSync(file);
    log.succeed('');
    await tick();
    let count = 1;
    for await (const { message } of reader) expect(message).toBe(`line ${count++}`);
    expect(count).toBe(numbers.length);
  });

  test('by calls that do not wait for each other', async () => {
    const log = new LogFollower();
    await log.attach(file);
    write(1, 2, 3);
    log.succeed(file);
    const reader = log[Symbol.asyncIterator]();
    const five = await Promise.all(Array.from({ length: 5 }, () => reader.next()));
    expect(five.map(({ value }) => value?.message)).toEqual([
      'line 1',
      'line 2',
      'line 3',
      undefined,
      undefined,
    ]);
    expect(holdsIt()).toBe(false);
  });
});

describe('the log of an earlier operation', () => {
  test('is not read, and the new one from its beginning', async () => {
    writeFileSync(file, line(7).repeat(100));
    const log = new LogFollower();
    await log.attach(file);
    const reading = messagesOf(log);
    await tick();
    writeFileSync(file, line(1));
    await tick();
    write(2);
    log.succeed(file);
    expect(await reading).toEqual(['line 1', 'line 2']);
  });

  test('is not read when CRIU was never asked', async () => {
    writeFileSync(file, line(7));
    const log = new LogFollower();
    await log.attach(file);
    await log.detach();
    log.succeed(file);
    expect(await messagesOf(log)).toEqual([]);
  });

  test('gives way to that of a second attempt', async () => {
    const log = new LogFollower();
    await log.attach(file);
    write(1, 2, 3);
    const reader = log[Symbol.asyncIterator]();
    for (const number of [1, 2, 3]) {
      expect((await reader.next()).value?.message).toBe(`line ${number}`);
    }
    writeFileSync(file, line(4));
    log.succeed(file);
    expect((await reader.next()).value?.message).toBe('line 4');
    expect((await reader.next()).done).toBe(true);
  });
});

describe('the end of an operation that fails', () => {
  const failure = Object.assign(new Error('it failed'), { logFile: '' });

  test('is thrown after the last record, to each reader', async () => {
    const log = new LogFollower();
    await log.attach(file);
    write(1);
    const seen: string[] = [];
    const read = async (): Promise<void> => {
      for await (const { message } of log) seen.push(message);
    };
    const reading = read();
    await tick();
    log.fail(failure);
    await expect(reading).rejects.toBe(failure);
    await expect(read()).rejects.toBe(failure);
    expect(seen).toEqual(['line 1', 'line 1']);
    expect(holdsIt()).toBe(false);
  });

  test('is thrown where there was no log', async () => {
    const log = new LogFollower();
    const reading = messagesOf(log);
    log.fail(failure);
    await expect(reading).rejects.toBe(failure);
  });

  test('is thrown once, and the iteration is over', async () => {
    const log = new LogFollower();
    log.fail(failure);
    const reader = log[Symbol.asyncIterator]();
    await expect(reader.next()).rejects.toBe(failure);
    expect(await reader.next()).toEqual({ done: true, value: undefined });
  });
});

describe('a reader that leaves early', () => {
  test('keeps nothing open', async () => {
    const log = new LogFollower();
    await log.attach(file);
    write(1, 2);
    for await (const { message } of log) {
      expect(message).toBe('line 1');
      expect(holdsIt()).toBe(true);
      break;
    }
    expect(holdsIt()).toBe(false);
    await log.detach();
    expect(holdsIt()).toBe(false);
  });

  test('while it waits is let go at once', async () => {
    const log = new LogFollower();
    await log.attach(file);
    write(1);
    const reader = log[Symbol.asyncIterator]();
    await reader.next();
    const waiting = reader.next();
    await tick();
    expect(await reader.return?.()).toEqual({ done: true, value: undefined });
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(await reader.next()).toEqual({ done: true, value: undefined });
    expect(holdsIt()).toBe(false);
  });

  test('or has not begun has nothing opened for it', async () => {
    const log = new LogFollower();
    await log.attach(file);
    write(1);
    log[Symbol.asyncIterator]();
    await log.detach();
    expect(holdsIt()).toBe(false);
  });
});

test('what is no regular file is not read, and nobody waits for it', async () => {
  mkdirSync(file);
  const log = new LogFollower();
  await log.attach(file);
  log.succeed(file);
  expect(await messagesOf(log)).toEqual([]);
  expect(holdsIt()).toBe(false);
});
