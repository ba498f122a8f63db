import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { checkpoint } from '../../lib/archive/checkpoint.js';
import { restoreContainer } from '../../lib/archive/restore-container.js';
import { explain } from '../../lib/explain.js';
import { iterate } from '../../lib/iterate.js';
import { makeMachine } from '../helpers/container-machine.js';
import { rejection } from '../helpers/rejection.js';

afterEach(() => {
  vi.restoreAllMocks();
});

/** The first step of an iteration over a container. */
async function firstStep(id: string, stateRoot: string, imagePath: string): Promise<unknown> {
  return iterate(id, { stateRoot, imagePath }).next();
}

describe('digits that name no container', () => {
  test.each([
    ['checkpoint', (id: string, stateRoot: string) => checkpoint(id, { stateRoot })],
    ['explain', (id: string, stateRoot: string) => explain(id, { stateRoot })],
    [
      'iterate',
      (id: string, stateRoot: string) => firstStep(id, stateRoot, join(stateRoot, 'images')),
    ],
  ] as const)('%s says how a process is passed', async (operation, call) => {
    vi.spyOn(process, 'geteuid').mockReturnValue(0);
    const { root } = await makeMachine();
    const error = await rejection(call('4711', root));
    expect(error).toMatchObject({ code: 'ERR_CONTAINER_NOT_FOUND', operation });
    expect(error.message).toContain(`container does not exist: "4711" in ${root}`);
    expect(error.message).toContain('pass a number for a process');
    expect(error.stack).toContain('targets.test.ts');
    expect((await rejection(call('web', root))).message).not.toContain('a number');
  });
});

describe('a number in the place of a container', () => {
  test.each([
    ['checkpoint', (id: number) => checkpoint(id as unknown as string)],
    ['restoreContainer', (id: number) => restoreContainer(id as unknown as string)],
  ] as const)('%s says how a container is passed', async (_operation, call) => {
    const error = await rejection(call(4711));
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_TYPE', option: 'id', received: 4711 });
    expect(error.message).toContain('pass a string for a container');
  });

  test('explain says so when there is no such process', async () => {
    const error = await rejection(explain(0x7ffffffe));
    expect(error).toMatchObject({
      code: 'ERR_PROCESS_NOT_FOUND',
      operation: 'explain',
      errno: 3,
      message: 'There is no process 2147483646; pass a string for a container',
    });
    expect(error.stack).toContain('targets.test.ts');
  });
});

test.each([
  ['explain', (target: unknown) => explain(target as number)],
  ['iterate', async (target: unknown) => iterate(target as number)],
])('%s refuses what is neither', async (_operation, call) => {
  for (const target of [undefined, {}, ['web'], 1n]) {
    expect(await rejection(call(target))).toMatchObject({
      code: 'ERR_INVALID_ARG_TYPE',
      option: 'target',
      expected: 'the id of a process as a number or of a container as a string',
    });
  }
  for (const target of [0, -1, 1.5, Number.NaN]) {
    expect(await rejection(call(target))).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
  }
});

describe('an iteration that fails', () => {
  test('tells its directories and rejects result and later steps with the same error', async () => {
    vi.spyOn(process, 'geteuid').mockReturnValue(7);
    const { root } = await makeMachine();
    const iteration = iterate('web', { stateRoot: root, imagePath: join(root, 'images') });
    expect(iteration.directories).toEqual([]);
    const error = await rejection(iteration.next());
    expect(error).toMatchObject({
      code: 'ERR_CRIU_PERMISSION',
      operation: 'iterate',
      directories: [],
    });
    expect(error.message).not.toContain('Left of the iteration');
    expect(await rejection(iteration.result)).toBe(error);
    expect(await rejection(iteration.next())).toBe(error);
  });

  test('by an abort tells the stage', async () => {
    vi.spyOn(process, 'geteuid').mockReturnValue(0);
    const { root } = await makeMachine();
    const signal = AbortSignal.abort(new Error('enough'));
    const options = { stateRoot: root, imagePath: join(root, 'images'), signal };
    expect(await rejection(iterate('web', options).next())).toMatchObject({
      name: 'AbortError',
      code: 'ABORT_ERR',
      stage: 'start',
      cause: { message: 'enough' },
      directories: [],
    });
  });
});
