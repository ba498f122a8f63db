import { describe, expect, test } from 'vitest';
import { LogParser, type LogRecord } from '../../../lib/criu/log-records.js';

function recordsOf(...parts: readonly string[]): LogRecord[] {
  const parser = new LogParser();
  return [...parts.flatMap((part) => parser.add(part)), ...parser.finish()];
}

const information = (message: string, more: Partial<LogRecord> = {}): LogRecord => ({
  timeMs: undefined,
  level: 'info',
  pid: undefined,
  source: undefined,
  message,
  ...more,
});

describe('a line is a record', () => {
  test.each<[string, string, LogRecord]>([
    ['of a dump', '(00.001305) cg: Set 1', information('cg: Set 1', { timeMs: 1.305 })],
    [
      'of a restore, with the task',
      '(00.012345)      7: Restoring fd 3',
      information('Restoring fd 3', { timeMs: 12.345, pid: 7 }),
    ],
    [
      'of code inside of a task',
      'pie: 81: Daemon waits for command',
      information('Daemon waits for command', { pid: 81 }),
    ],
    [
      'that is an error',
      '(00.2) Error (criu/seize.c:335): zombie 84 (comm sh) found while seizing',
      {
        timeMs: 200,
        level: 'error',
        pid: undefined,
        source: 'criu/seize.c:335',
        message: 'zombie 84 (comm sh) found while seizing',
      },
    ],
    [
      'that is a warning, without time at log level 2',
      'Warn  (criu/kerndat.c:1470): no pidfd_open()',
      {
        timeMs: undefined,
        level: 'warning',
        pid: undefined,
        source: 'criu/kerndat.c:1470',
        message: 'no pidfd_open()',
      },
    ],
    ['of a long dump', '(3601.00001) x', information('x', { timeMs: 3_601_000.01 })],
    ['that begins with no time at all', 'criu: not found', information('criu: not found')],
  ])('%s', (_what, line, record) => {
    expect(recordsOf(`${line}\n`)).toEqual([record]);
    expect(recordsOf(line)).toEqual([record]);
    // Wherever the parts are cut.
    for (let at = 0; at <= line.length; at++) {
      expect(recordsOf(line.slice(0, at), `${line.slice(at)}\n`)).toEqual([record]);
    }
  });
});

test('what has no beginning belongs to the record before it', () => {
  expect(recordsOf('(00.1) Dumping value b *:* m\nc *:* m\nc 1:3 rwm\n(00.2) next\n')).toEqual([
    information('Dumping value b *:* m\nc *:* m\nc 1:3 rwm', { timeMs: 100 }),
    information('next', { timeMs: 200 }),
  ]);
});

test('a record that may go on is given when nothing more is there', () => {
  const parser = new LogParser();
  expect(parser.add('(00.1) a\n(00.2) b')).toEqual([]);
  expect(parser.flush()).toEqual([information('a', { timeMs: 100 })]);
  expect(parser.flush()).toEqual([]);
  expect(parser.add('c\n')).toEqual([]);
  expect(parser.finish()).toEqual([information('bc', { timeMs: 200 })]);
});

test('blank lines are no records, but a record may have some', () => {
  expect(recordsOf('\n\n(00.1) a\n\nb\n')).toEqual([information('a\n\nb', { timeMs: 100 })]);
});

test('what is no log takes no more memory than a record may have', () => {
  const parser = new LogParser();
  const lengths: number[] = [];
  for (let i = 0; i < 100; i++) {
    lengths.push(...parser.add('x'.repeat(10_000)).map(({ message }) => message.length));
  }
  expect(lengths.length).toBeGreaterThan(5);
  expect(Math.max(...lengths)).toBeLessThan(200_000);
  const many = new LogParser();
  const records = many.add(`(00.1) a\n${'word\n'.repeat(100_000)}`);
  expect(records.length).toBeGreaterThan(5);
  expect(Math.max(...records.map(({ message }) => message.length))).toBeLessThan(100_000);
});
