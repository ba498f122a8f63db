import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { checkpoint } from '../../../lib/archive/checkpoint.js';
import { makeMachine } from '../../helpers/container-machine.js';
import { rejection } from '../../helpers/rejection.js';

/** What the checks before any dump say to `euid`, which needs no CRIU and touches nothing. */
async function refusal(id: unknown, options: object = {}, euid = 0) {
  vi.spyOn(process, 'geteuid').mockReturnValue(euid);
  return rejection(checkpoint(id as string, options));
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe('checkpoint refuses', () => {
  test.each(['', '..', 'a//b', 'a/b/c/d', 'a\0b', 'a\n'])('the id %j', async (id) => {
    expect(await refusal(id)).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
  });

  test.each([undefined, 5, {}])('the id %o', async (id) => {
    expect(await refusal(id)).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
  });

  test('bad options before a bad id, and a bad id before a user who is not root', async () => {
    expect((await refusal('', { leaveRunning: 1 }, 7)).message).toContain('leaveRunning');
    expect((await refusal('', {}, 7)).message).toContain(' for id ');
  });

  test.each([5, '', {}])('%o as state root', async (stateRoot) => {
    const error = await refusal('web', { stateRoot });
    expect(error.code).toMatch(/^ERR_INVALID_ARG_(TYPE|VALUE)$/);
    expect(error.message).toContain(' for stateRoot ');
  });

  test('a criu that is none', async () => {
    expect(await refusal('web', { criu: {} })).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE' });
  });

  test('other users than root', async () => {
    const { root } = await makeMachine();
    expect(await refusal('web', { stateRoot: root }, 7)).toMatchObject({
      code: 'ERR_CRIU_PERMISSION',
    });
  });

  test('a container that does not exist', async () => {
    const { root } = await makeMachine();
    expect(await refusal('web', { stateRoot: root })).toMatchObject({
      code: 'ERR_CONTAINER_NOT_FOUND',
    });
  });

  test('a container whose init is gone, and makes no directory', async () => {
    const { root, directory, container } = await makeMachine();
    // Nothing but the first process of a machine can have been started in its first tick.
    await container('runc-1.1.5-hybrid', (text) => text.replace('139846', '1'));
    const before = await readdir(directory);
    const imagePath = join(directory, 'images');
    const error = await refusal('web', {
      stateRoot: root,
      imagePath,
      workPath: join(directory, 'work'),
    });
    expect(error).toMatchObject({ code: 'ERR_CONTAINER_STATE', operation: 'checkpoint' });
    expect(error.message).toContain('Container cannot be checkpointed in stopped state');
    expect(await readdir(directory)).toEqual(before);
    expect(await readdir(join(root, 'web'))).toEqual(['state.json']);
  });

  test('points at the caller', async () => {
    const { root } = await makeMachine();
    expect((await refusal('web', { stateRoot: root })).stack).toContain('checkpoint.ts');
  });
});
