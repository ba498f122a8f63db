import { execFile } from 'node:child_process';
import { tracingChannel } from 'node:diagnostics_channel';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { withDeadline } from '../../../lib/base/deadline.js';
import { CriuError, inOperation, type OperationTrace } from '../../../lib/base/errors.js';
import { distIndex } from '../../helpers/paths.js';

const channel = tracingChannel<unknown, OperationTrace>('libcriu:operation');
const events: string[] = [];
const traces = new Set<object>();
const note =
  (name: string) =>
  (trace: OperationTrace): void => {
    traces.add(trace);
    const { operation, result, error } = trace;
    events.push(
      [name, operation, result, error && (error as Error).message].filter(Boolean).join(' '),
    );
  };
const subscriber = {
  start: note('start'),
  end: note('end'),
  asyncStart: note('asyncStart'),
  asyncEnd: note('asyncEnd'),
  error: note('error'),
};

beforeEach(() => {
  events.length = 0;
  traces.clear();
  channel.subscribe(subscriber);
});
afterEach(() => channel.unsubscribe(subscriber));

test.each([
  ['with a deadline', (run: () => Promise<unknown>) => withDeadline('dump', {}, run)],
  ['without one', (run: () => Promise<unknown>) => inOperation('dump', run)],
])('an operation %s is told of, from its start to its end', async (_name, operate) => {
  expect(await operate(async () => 'done')).toBe('done');
  expect(events).toEqual(['start dump', 'end dump', 'asyncStart dump done', 'asyncEnd dump done']);
  expect(traces.size).toBe(1);
  events.length = 0;
  const failing = operate(async () => {
    throw new CriuError('ERR_CRIU_FAILED', 'No');
  });
  await expect(failing).rejects.toMatchObject({ code: 'ERR_CRIU_FAILED', operation: 'dump' });
  expect(events).toEqual([
    'start dump',
    'end dump',
    'error dump No',
    'asyncStart dump No',
    'asyncEnd dump No',
  ]);
});

test('nobody is told who has gone', async () => {
  channel.unsubscribe(subscriber);
  await inOperation('version', async () => {});
  expect(events).toEqual([]);
});

test('NODE_DEBUG=libcriu writes when an operation begins and how it ends', async () => {
  const program = `import { openCheckpoint } from '${distIndex}';
    await openCheckpoint('/').catch(() => {});`;
  const args = ['--input-type=module', '--eval', program];
  const env = { ...process.env, NODE_DEBUG: 'libcriu' };
  const { stderr } = await promisify(execFile)(process.execPath, args, { env });
  expect(stderr).toMatch(
    /^LIBCRIU \d+: openCheckpoint 1 begins\nLIBCRIU \d+: openCheckpoint 1 fails after [\d.]+ ms: .+\n$/,
  );
  const silent = await promisify(execFile)(process.execPath, args);
  expect(silent.stderr).toBe('');
});
