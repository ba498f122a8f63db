import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { diffCheckpoints } from '../../../lib/inspect/diff.js';
import { libcriu } from '../../helpers/command.js';
import { MadeImages, pageSize } from '../../helpers/criu/made-images.js';
import { rejection } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';

const scope = useScope();
let directory = '';
beforeEach(async () => {
  directory = await scope.directory();
});
const path = (name: string): string => join(directory, name);

/** A checkpoint, and a later one that needs it. */
function chain(): void {
  new MadeImages(path('first')).dump(
    {
      pid: 1,
      name: 'server',
      open: { 3: '/log', 4: '/old' },
      memory: [
        { from: 0, pages: ['a', 'b', 'c'] },
        { from: 8, pages: ['x'] },
      ],
    },
    { pid: 2, ppid: 1, name: 'gone', memory: [{ from: 0, pages: ['g'] }] },
  );
  new MadeImages(path('second')).parent('../first').dump(
    {
      pid: 1,
      name: 'server',
      open: { 3: '/log', 5: '/new' },
      memory: [
        { from: 0, pages: { count: 1, place: 'parent' } },
        { from: 1, pages: ['B', 'c', 'd'] },
      ],
    },
    { pid: 3, ppid: 1, name: 'fresh', memory: [{ from: 0, pages: ['f', 'f'] }] },
  );
}

test('processes, descriptors and pages are compared, by what the pages hold', async () => {
  chain();
  const { processes, memory } = await diffCheckpoints(path('first'), path('second'));
  expect(processes.came.map(({ name }) => name)).toEqual(['fresh']);
  expect(processes.went.map(({ name }) => name)).toEqual(['gone']);
  const [server] = processes.stayed;
  expect(server).toMatchObject({ pid: 1, name: 'server', commandLine: undefined });
  expect(server?.descriptors.came.map(({ fd, description }) => [fd, description])).toEqual([
    [5, '/new'],
  ]);
  expect(server?.descriptors.went.map(({ fd, description }) => [fd, description])).toEqual([
    [4, '/old'],
  ]);
  // The first page is in the parent; that of "x" is not saved any more.
  expect(server?.pages).toEqual({ same: 2, changed: 1, came: 1, went: 1 });
  expect(memory.pages).toEqual({ same: 2, changed: 1, came: 3, went: 2 });
  expect(memory.kinds).toMatchObject([
    { kind: 'anonymous', before: { saved: 5 * pageSize }, after: { inherited: pageSize } },
  ]);
});

test('a checkpoint does not differ from itself, nor from an archive of it', async () => {
  chain();
  const file = path('first.tar.gz');
  await runOk('tar', ['-C', path('first'), '-czf', file, '.']);
  for (const other of [path('first'), file]) {
    const { processes, sockets, memory } = await diffCheckpoints(path('first'), other);
    expect({ ...processes, stayed: [] }).toEqual({ came: [], went: [], stayed: [] });
    expect(sockets).toEqual({ came: [], went: [] });
    expect(memory).toMatchObject({ kinds: [], pages: { same: 5, changed: 0, came: 0, went: 0 } });
  }
});

test('shared memory is compared once', async () => {
  for (const [name, content] of [
    ['first', 'a'],
    ['second', 'b'],
  ] as const) {
    new MadeImages(path(name))
      .dump({ pid: 1 }, { pid: 2, ppid: 1 })
      .pagemap('pagemap-shmem-9.img', 99, [{ from: 0, pages: ['s', content] }], 0);
  }
  const { memory } = await diffCheckpoints(path('first'), path('second'));
  expect(memory.pages).toEqual({ same: 1, changed: 1, came: 0, went: 0 });
  expect(memory.shared).toEqual([{ id: 9, same: 1, changed: 1, came: 0, went: 0 }]);
});

test('the command prints lines, or an object', async () => {
  chain();
  const { stdout } = await libcriu(['diff', path('first'), path('second')]);
  expect(stdout.split('\n').slice(2)).toEqual([
    '- process 2 [gone]',
    '+ process 3 [fresh]',
    '~ process 1 server: 1 page changed, 1 came, 1 went',
    '    - descriptor 4 /old',
    '    + descriptor 5 /new',
    'Pages: 1 page changed, 3 came, 2 went, 2 the same',
    '',
  ]);
  const json = await libcriu(['diff', '--json', path('first'), path('second')]);
  expect(JSON.parse(json.stdout)).toMatchObject({ memory: { pages: { changed: 1 } } });
});

test('one that is damaged is refused by its name', async () => {
  chain();
  writeFileSync(path('second/pagemap-1.img'), 'no image');
  const error = await rejection(diffCheckpoints(path('first'), path('second')));
  expect(error).toMatchObject({ code: 'ERR_CRIU_IMAGE', operation: 'diffCheckpoints' });
  expect(error.message).toContain(path('second'));
  expect(await rejection(diffCheckpoints(path('first'), ''))).toMatchObject({ option: 'after' });
});
