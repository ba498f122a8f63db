import { describe, expect, test } from 'vitest';
import { inBytes } from '../../../lib/base/in-bytes.js';
import { ProgressBar } from '../../../lib/cli/progress-bar.js';
import { libcriu } from '../../helpers/command.js';

const stats = { pagesWritten: 300 } as never;
const ended = async () => ({ stats, timings: { pauseMs: 21.25 } as never });

/** Runs the command with a standard output that is a terminal. */
async function onTerminal(args: readonly string[]) {
  let printed = '';
  const stdout = { isTTY: true, write: (text: string) => (printed += text) };
  const ran = await libcriu(args, ended, { stdout });
  return { ...ran, stdout: printed };
}

describe('a checkpoint that succeeds', () => {
  test('is told in a line on a terminal', async () => {
    expect(await onTerminal(['checkpoint', 'web'])).toMatchObject({
      status: 0,
      stdout: 'web is saved in /images (1.2 MiB of memory, 12 ms, stood still for 21.3 ms)\n',
      stderr: '',
    });
  });

  test('prints nothing where nobody looks, or with --quiet', async () => {
    const quiet = await onTerminal(['checkpoint', '--quiet', 'web']);
    const piped = await libcriu(['checkpoint', 'web'], ended);
    for (const { status, stdout, stderr } of [quiet, piped]) {
      expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: '', stderr: '' });
    }
  });

  test.each([onTerminal, libcriu])('prints its result as one object with --json', async (run) => {
    const { status, stdout } = await run(['checkpoint', '--json', 'web'], ended);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      containerId: 'web',
      imagePath: '/images',
      stats: { pagesWritten: 300 },
      timings: { pauseMs: 21.25 },
      durationMs: 12.345,
    });
  });

  test('does not write an archive and an object to one place', async () => {
    const args = ['checkpoint', '--json', '--export', '-', 'web'];
    const { status, stderr, called } = await libcriu(args, ended);
    expect({ status, called }).toEqual({ status: 1, called: undefined });
    expect(stderr).toContain('Expected --json or --export - but received both');
  });

  test('has no bar unless a terminal shows it', async () => {
    for (const args of [
      ['checkpoint', 'web'],
      ['checkpoint', '--json', 'web'],
    ]) {
      const { called } = await libcriu(args, ended);
      expect(called?.options.onProgress).toBeUndefined();
    }
    const { called } = await libcriu(['checkpoint', 'web'], ended, { tty: true });
    expect(called?.options.onProgress).toEqual(expect.any(Function));
  });
});

describe('the bar', () => {
  const progress = { stage: 'queryExtFiles', pages: 1, expectedBytes: 2 ** 30 } as const;

  test('shows how much has been written, and is gone at the end', async () => {
    let printed = '';
    const terminal = {
      isTTY: true,
      columns: 100,
      write: (text: string) => (printed += text),
      on: () => {},
      cursorTo: () => {},
    };
    const bar = new ProgressBar(terminal);
    bar.show({ ...progress, bytes: 0, elapsedMs: 10 });
    bar.show({ ...progress, bytes: 0, elapsedMs: 600 });
    await expect
      .poll(() => {
        bar.show({ ...progress, bytes: 2 ** 29, elapsedMs: 700 });
        return printed;
      })
      .toMatch(/50 % \| 512\.0 MiB of 1\.0 GiB \| saving/);
    // It has something to show from the beginning.
    expect(printed).not.toMatch(/\|\s+of\s+\|/);
    bar.end();
    const before = printed;
    bar.show({ ...progress, bytes: 2 ** 30, elapsedMs: 900 });
    expect(printed).toBe(before);
  });

  test('does not come where it is over soon', async () => {
    const terminal = { isTTY: true, write: () => expect.unreachable('something is shown') };
    const bar = new ProgressBar(terminal);
    bar.show({ ...progress, bytes: 5, elapsedMs: 499 });
    bar.show({ ...progress, bytes: undefined, elapsedMs: 5_000 });
    bar.end();
    await new Promise((resolve) => setTimeout(resolve, 50));
  });
});

test.each([
  [0, '0 bytes'],
  [1023, '1023 bytes'],
  [1024, '1.0 KiB'],
  [1.5 * 2 ** 30, '1.5 GiB'],
  [2 ** 60, '1048576.0 TiB'],
])('%d bytes are %s', (bytes, text) => {
  expect(inBytes(bytes)).toBe(text);
});
