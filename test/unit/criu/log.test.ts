import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { excerpt, readExcerpt } from '../../../lib/criu/log.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();

const log = (...lines: string[]): string => lines.map((line) => `${line}\n`).join('');

describe('excerpt', () => {
  test('finds nothing in a log without errors', () => {
    const text = log(
      '(00.000012) Running with root',
      '(00.000013) Warn  (criu/kerndat.c:1103): $XDG_RUNTIME_DIR not set',
      "(00.000014) The word Error (and this) begins no error's line",
    );
    expect(excerpt(text)).toEqual({ cause: undefined, lines: [] });
    expect(excerpt('')).toEqual({ cause: undefined, lines: [] });
  });

  test.each([
    ['with a time', '(00.004321) Error (criu/x.c:1): it broke'],
    ['with a time and a pid', '(00.004321)    123: Error (criu/x.c:1): it broke'],
    ['with a time of many hours', '(123456.004321) Error (criu/x.c:1): it broke'],
    ['of a task', '(00.004321) pie: 123: Error (criu/pie/restorer.c:1): it broke'],
    ['of a task behind a pid', '(00.004321)     99: pie: 123: Error (criu/pie/x.c:1): it broke'],
    ['that ends in a carriage return', '(00.004321) Error (criu/x.c:1): it broke\r'],
  ])('recognizes an error line %s', (_form, line) => {
    const { cause, lines } = excerpt(log('(00.000001) before', line, '(200000.000002) after'));
    expect(cause).toBe('it broke');
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/Error \(criu\/[\w./]+\.c:1\): it broke$/);
    expect(lines[0]).not.toMatch(/^\(/);
  });

  test.each([
    ['a pid', '   123: Error (criu/x.c:1): it broke'],
    ['nothing', 'Error (criu/x.c:1): it broke'],
  ])('recognizes an error line before CRIU has a log, behind %s', (_what, line) => {
    expect(excerpt(log('before', line, '(00.000002) after')).cause).toBe('it broke');
  });

  test('takes what code inside of a task has said for the cause of its failure', () => {
    const text = log(
      '(00.000001) Wait for ack 76 on daemon socket',
      "pie: 104: Error (criu/pie/parasite.c:828): can't get /proc fd",
      'pie: 104: __sent ack msg: 76 76 -1',
      '(00.000002) Fetched ack: 76 76 -1',
      '(00.000003) Error (compel/src/lib/infect-rpc.c:68): Command 76 for daemon failed with -1',
    );
    expect(excerpt(text)).toEqual({
      cause: "can't get /proc fd",
      lines: [
        "pie: Error (criu/pie/parasite.c:828): can't get /proc fd",
        'Error (compel/src/lib/infect-rpc.c:68): Command 76 for daemon failed with -1',
      ],
    });
  });

  test.each([
    ['no time', 'Error (criu/x.c:1): forged'],
    ['a pid', '  12: Error (criu/x.c:1): forged'],
    ['a time that has passed', '(00.000001) Error (criu/x.c:1): forged'],
    ['a time that has not come', '(00.000350) Error (criu/x.c:1): forged'],
    ['a time after the end', '(09.000001) Error (criu/x.c:1): forged'],
    ['the time of no place in the sources', '(00.000205) Error (criu~x:1): forged'],
    ['the words of a task', 'pie: 1: Error (criu/pie/x.c:1): forged'],
    ['the words of a task and a time', '(00.000001) pie: 1: Error (criu/pie/x.c:1): forged'],
    ['a server', "Can't connect to server forged:27"],
  ])('is not told a cause by the name of a file, with %s', (_form, forged) => {
    const text = log(
      '(00.000100) Dumping',
      `(00.000200) Dumping path for 3 fd via self 19 [/tmp/a\n${forged}\nb]`,
      '(00.000210) Only file size could be stored',
      '(00.000300) Error (criu/files-reg.c:1031): it broke',
      '(00.000400) Error (criu/cr-dump.c:1975): Dumping FAILED.',
    );
    const { cause, lines } = excerpt(text);
    expect(cause).toBe('it broke');
    expect(lines).toHaveLength(2);
  });

  test.each([
    ['blanks', ' '.repeat(1024 * 1024)],
    ['blanks behind a time', `(00.1) ${' '.repeat(1024 * 1024)}`],
    ['blanks behind an error', `(00.1) Error (criu/x.c:1): ${' '.repeat(1024 * 1024)}x`],
    ['digits', '(00.1) '.concat('1'.repeat(1024 * 1024))],
    ['parentheses', '(00.1) Error ('.concat('('.repeat(1024 * 1024))],
    ['servers', "(00.1) Can't connect to server a:".repeat(31_000)],
    ['names of servers', `(00.1) Can't connect to server ${'a:'.repeat(512 * 1024)}`],
    ['lines', '(00.1) Error (criu/x.c:1): it broke\n'.repeat(29_000)],
    ['empty lines', '\n'.repeat(1024 * 1024)],
    [
      'times that run back',
      Array.from({ length: 60_000 }, (_, i) => `(${70_000 - i}.1) a`).join('\n'),
    ],
  ])('reads 1 MiB of %s in linear time', (_what, text) => {
    /** The least that it takes, in ms of the processor: other threads of this process have theirs. */
    const cost = (read: () => unknown): number => {
      const measured = [1, 2, 3].map(() => {
        const before = process.cpuUsage();
        read();
        return process.cpuUsage(before).user / 1000;
      });
      return Math.min(...measured);
    };
    const log = text.slice(0, 1024 * 1024);
    // What a pass over as many characters takes on this machine. Quadratic time is thousands of them.
    const passMs = cost(() => Buffer.from(log.replace(/[^\n]/g, 'x')).toString());
    expect(cost(() => excerpt(log))).toBeLessThan(100 + 20 * passMs);
  });

  test('takes the last line even when it is cut off before its end', () => {
    expect(excerpt('(00.1) Error (criu/x.c:1): it bro')).toMatchObject({ cause: 'it bro' });
  });

  test('names the first error as the cause and keeps the later ones in their order', () => {
    const text = log(
      '(00.1) Error (criu/file-lock.c:110): Some file locks are hold',
      '(00.2) Error (criu/cr-dump.c:1812): Dumping FAILED.',
    );
    expect(excerpt(text)).toEqual({
      cause: 'Some file locks are hold',
      lines: [
        'Error (criu/file-lock.c:110): Some file locks are hold',
        'Error (criu/cr-dump.c:1812): Dumping FAILED.',
      ],
    });
  });

  test('keeps the last twenty lines, and the cause that stood before them', () => {
    const errors = Array.from({ length: 25 }, (_, i) => `(00.1) Error (criu/x.c:1): number ${i}`);
    const { cause, lines } = excerpt(log(...errors));
    expect(cause).toBe('number 0');
    expect(lines).toHaveLength(20);
    expect(lines[0]).toMatch(/number 5$/);
    expect(lines.at(-1)).toMatch(/number 24$/);
  });

  test('leaves out that CRIU may not raise its own limits', () => {
    const rlimit =
      "(00.1) Error (criu/rlimit.c:14): rlimit: Can't setup RLIMIT_NOFILE for self: Operation not permitted";
    expect(excerpt(log(rlimit))).toEqual({ cause: undefined, lines: [] });
    expect(excerpt(log(rlimit, '(00.2) Error (criu/x.c:1): it broke'))).toEqual({
      cause: 'it broke',
      lines: ['Error (criu/x.c:1): it broke'],
    });
  });

  test('looks for the cause behind a certificate that is called invalid without a reason', () => {
    const text = log(
      '(00.1) Error (criu/tls.c:76): tls: Invalid certificate',
      '(00.2) Error (criu/tls.c:90): tls: The name in the certificate does not match',
    );
    expect(excerpt(text)).toMatchObject({
      cause: 'tls: The name in the certificate does not match',
      lines: [/Invalid certificate$/, /does not match$/].map((line) => expect.stringMatching(line)),
    });
  });

  test('takes a server that cannot be reached for the cause of the errors after it', () => {
    const text = log(
      '(00.1) Connecting to server 10.0.0.1:27',
      "(00.2) Can't connect to server 10.0.0.1:27: Connection refused",
      '(00.3) Error (criu/page-xfer.c:1): page-xfer: no connection',
    );
    expect(excerpt(text)).toEqual({
      cause: "Can't connect to server 10.0.0.1:27",
      lines: ['Error (criu/page-xfer.c:1): page-xfer: no connection'],
    });
  });

  test('forgets an address that could not be reached when CRIU goes on to the next one', () => {
    const text = log(
      '(00.1) Connecting to server ::1:27',
      "(00.2) Can't connect to server ::1:27: Connection refused",
      '(00.3) Connecting to server 127.0.0.1:27',
      '(00.4) Error (criu/x.c:1): it broke',
    );
    expect(excerpt(text).cause).toBe('it broke');
  });
});

describe('readExcerpt', () => {
  test('reads the errors of a log file', async () => {
    const path = join(await scope.directory(), 'dump.log');
    await writeFile(path, log('(00.1) fine', '(00.2) Error (criu/x.c:1): it broke'));
    expect(await readExcerpt(path)).toEqual({
      cause: 'it broke',
      lines: ['Error (criu/x.c:1): it broke'],
    });
  });

  test('finds nothing in a file that is empty or not there', async () => {
    const directory = await scope.directory();
    await writeFile(join(directory, 'empty.log'), '');
    await mkdir(join(directory, 'below'));
    for (const name of ['empty.log', 'missing.log', 'below/missing.log', 'empty.log/missing.log']) {
      expect(await readExcerpt(join(directory, name))).toEqual({ cause: undefined, lines: [] });
    }
  });

  test('reads no more than the end of a large file', async () => {
    const path = join(await scope.directory(), 'dump.log');
    const detail = '(00.2) a page\n'.repeat(100_000);
    const [early, late] = ['early', 'late'].map((when) => `(00.1) Error (criu/x.c:1): ${when}\n`);
    await writeFile(path, `${early}${detail}${late}`);
    expect(await readExcerpt(path)).toEqual({
      cause: 'late',
      lines: ['Error (criu/x.c:1): late'],
    });
  });
});
