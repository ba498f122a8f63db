import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { Channel } from '../../../lib/index.js';
import { Criu, restore } from '../../helpers/api.js';
import { type Clone, cloneOk } from '../../helpers/criu/clones.js';
import { dumpAway, restoreFails } from '../../helpers/criu/restored.js';
import { savedBySelf } from '../../helpers/criu/self-saved.js';
import { startService } from '../../helpers/criu/start-criu.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { assertNoLeak, hasSpare, settledHoldings } from '../../helpers/system/leaks.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';

beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build'));

const scope = useScope();

interface Talking extends Clone {
  channel: Channel;
}

async function talkingClone(imagePath: string, data?: unknown): Promise<Talking> {
  const clone = await cloneOk(scope, imagePath, { channel: true, data });
  const { channel } = clone;
  if (channel === undefined) throw new Error('It has no channel');
  return { ...clone, channel };
}

async function ask({ channel }: Talking, message: unknown): Promise<unknown> {
  channel.send(message);
  const [answer] = (await once(channel, 'message')) as [unknown];
  return answer;
}

optionTest(
  'channel',
  'each clone has one of its own, for messages of any kind and size',
  async () => {
    const imagePath = await savedBySelf(scope, 'channel.mjs');
    await (await talkingClone(imagePath)).kill();
    const before = await settledHoldings([], hasSpare);
    const clones = await Promise.all([1, 2, 3, 4].map((data) => talkingClone(imagePath, data)));
    const answers = await Promise.all(clones.map((clone) => ask(clone, 'hello')));
    expect(answers).toEqual([1, 2, 3, 4].map((data) => ['hello', data, true]));
    const [first] = clones as [Talking];
    const some = { at: new Map([[1n, new Date(0)]]), undef: undefined };
    expect(await ask(first, some)).toEqual([some, 1, true]);
    const big = Buffer.alloc(20_000_000, 7);
    const [returned] = (await ask(first, big)) as [Buffer];
    expect(big.equals(returned)).toBe(true);
    // Nothing but the channel is open that was not, and all clones have the same.
    const counts = await Promise.all(clones.map((clone) => ask(clone, 'descriptors')));
    expect(new Set(counts).size).toBe(1);
    for (const clone of clones) clone.channel.send('exit');
    for (const { channel, exited } of clones) {
      expect(await exited).toEqual({ code: 7, signal: null });
      if (channel.connected) await once(channel, 'disconnect');
      expect(channel.send('nobody')).toBe(false);
    }
    await assertNoLeak(before);
  },
);

test('messages that nobody listens for are kept, and none is lost at the end', async () => {
  const clone = await talkingClone(await savedBySelf(scope, 'channel.mjs'));
  clone.channel.send('ignore');
  clone.channel.send('kept');
  expect((await once(clone.channel, 'message'))[0]).toEqual(['late', 'kept']);
  const second = await talkingClone(clone.imagePath);
  second.channel.send('burst');
  expect(await second.exited).toEqual({ code: 0, signal: null });
  const got: unknown[] = [];
  second.channel.on('message', (message) => got.push(message));
  await until('all are there', () => got.length === 1000);
  expect(got).toEqual(Array.from({ length: 1000 }, (_, index) => index));
});

test('either side can disconnect', async () => {
  const imagePath = await savedBySelf(scope, 'channel.mjs');
  const left = await talkingClone(imagePath);
  left.channel.send('disconnect');
  await once(left.channel, 'disconnect');
  expect(left.channel.connected).toBe(false);
  expect(isAlive(left.pid)).toBe(true);
  const leaving = await talkingClone(imagePath);
  leaving.channel.disconnect();
  expect(leaving.channel.connected).toBe(false);
  // Nothing else keeps it alive.
  expect(await leaving.exited).toEqual({ code: 0, signal: null });
});

test('a message that cannot be sent is refused, and the channel goes on', async () => {
  const clone = await talkingClone(await savedBySelf(scope, 'channel.mjs'));
  expect(() => clone.channel.send(() => {})).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE', option: 'message' }) as Error,
  );
  expect(() => clone.channel.send(Buffer.alloc(65 * 1024 * 1024))).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARG_VALUE', option: 'message' }) as Error,
  );
  expect(await ask(clone, 'still')).toEqual(['still', undefined, true]);
});

test('without channel there is none, in either process', async () => {
  const imagePath = await savedBySelf(scope, 'channel.mjs');
  const clone = await cloneOk(scope, imagePath);
  expect(clone.channel).toBeUndefined();
  expect(isAlive(clone.pid)).toBe(true);
});

test('images of which nobody has the other end are refused', async () => {
  const imagePath = await dumpAway(scope, await startWorkload(scope, ['idle']));
  const error = await restoreFails(imagePath, { channel: true });
  expect(error).toMatchObject({ code: 'ERR_CRIU_IMAGES_DIR', operation: 'restore' });
  expect(error.message).toContain('nobody would hear of channel');
  writeFileSync(join(imagePath, 'libcriu-self.json'), '{"slot":"pipe:[1]"}');
  const older = await restoreFails(imagePath, { channel: true });
  expect(older).toMatchObject({ code: 'ERR_CRIU_IMAGES_DIR', operation: 'restore' });
  expect(older.message).toContain('have it save itself anew');
  const { service } = await startService(scope);
  await expect(
    restore(imagePath, { criu: new Criu({ service }), channel: true }),
  ).rejects.toMatchObject({ code: 'ERR_INVALID_ARG_VALUE', option: 'channel' });
});
