import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { asTables } from '../../../lib/inspect/as-table.js';
import { asTree } from '../../../lib/inspect/as-tree.js';
import { diffCheckpoints } from '../../../lib/inspect/diff.js';
import { asPage } from '../../../lib/inspect/html/page.js';
import { inspect } from '../../../lib/inspect/inspect.js';
import { libcriu } from '../../helpers/command.js';
import { MadeImages, pageOf, pageSize } from '../../helpers/criu/made-images.js';
import { rejection } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();
let directory = '';
beforeEach(async () => {
  directory = await scope.directory();
});
const path = (name: string): string => join(directory, name);

describe('memory', () => {
  const line = 'server\0--port\x0080\0';

  test('is told by where it is, and arguments are read from there', async () => {
    new MadeImages(path('first')).preDump({
      pid: 7,
      memory: [{ from: 0, pages: [line, 'b', 'c'] }],
    });
    new MadeImages(path('second'))
      .parent('../first')
      .preDump({ pid: 7, memory: [{ from: 0, pages: { count: 2, place: 'parent' } }] });
    new MadeImages(path('last')).parent('../second').dump({
      pid: 7,
      arguments: line,
      memory: [
        { from: 0, pages: { count: 2, place: 'parent' } },
        { from: 4, pages: ['x', 'y', 'z'] },
        { from: 9, pages: { count: 1, place: 'elsewhere' } },
      ],
    });
    const { memory, parents, processes } = await inspect(path('last'));
    expect(memory).toMatchObject({
      mapped: 16 * pageSize,
      saved: 3 * pageSize,
      inherited: 2 * pageSize,
      elsewhere: pageSize,
    });
    expect(parents).toMatchObject([
      { path: path('second'), saved: 0 },
      { path: path('first'), saved: 3 * pageSize },
    ]);
    // The page is full of the line, of which the arguments are the first.
    expect(processes[0]?.commandLine).toEqual(['server', '--port', '80']);
    expect(processes[0]?.mappings).toMatchObject([{ kind: 'anonymous', saved: 3 * pageSize }]);
  });

  test('is all that a pre-dump has', async () => {
    new MadeImages(path('first'))
      .preDump({ pid: 7, memory: [{ from: 0, pages: ['a', 'b'] }] })
      .write('inventory.img', 'INVENTORY', [{ img_version: 2 }]);
    const report = await inspect(path('first'));
    expect(report).toMatchObject({ kind: 'pre-dump', processes: [], memory: { saved: 8192 } });
    expect(asTree(report)).toMatch(/^Kind: +pre-dump$/m);
    expect(asTree(report)).not.toContain('Processes\n');
    expect(asPage(report)).toMatch(/Pre-dump, .*<b>8\.0 KiB<\/b>/s);
    new MadeImages(path('last')).dump({ pid: 7, memory: [{ from: 0, pages: ['a', 'c', 'd'] }] });
    const { memory } = await diffCheckpoints(path('first'), path('last'));
    expect(memory.pages).toEqual({ same: 1, changed: 1, came: 1, went: 0 });
  });

  test('that is nowhere leaves a process without arguments', async () => {
    new MadeImages(path('images')).dump({ pid: 7, name: 'worker', arguments: line });
    const report = await inspect(path('images'));
    expect(report.processes[0]).toMatchObject({ commandLine: undefined, name: 'worker' });
    expect(asTree(report)).toContain('└─ 7 [worker] (');
  });

  test('may have pages of another size', async () => {
    const images = new MadeImages(path('images')).dump({
      pid: 7,
      memory: [{ from: 0, pages: ['a'] }],
    });
    const { decode } = await import('../../../lib/images/codec/decode.js');
    const [memory] = decode(readFileSync(path('images/mm-7.img'))).entries;
    writeFileSync(path('images/pages-7.img'), Buffer.alloc(65536));
    images.write('mm-7.img', 'MM', [{ ...memory, mm_saved_auxv: [6, 65536, 0, 0] }]);
    expect((await inspect(path('images'))).memory.saved).toBe(65536);
  });
});

describe('the tree of processes', () => {
  test('has each process below its parent, and with its files when they are asked for', async () => {
    new MadeImages(path('images')).dump(
      { pid: 1, name: 'init', open: { 0: 'dev/null', 3: '/log' } },
      { pid: 2, ppid: 1, name: 'one' },
      { pid: 3, ppid: 2, name: 'below' },
      { pid: 4, ppid: 1, name: 'two' },
    );
    const report = await inspect(path('images'));
    const tree = /^Processes\n(.*?)\n\n/ms.exec(asTree(report))?.[1];
    expect(tree?.replace(/ \(.*\)/g, '')).toBe(
      ['└─ 1 [init]', '   ├─ 2 [one]', '   │  └─ 3 [below]', '   └─ 4 [two]'].join('\n'),
    );
    expect(asTree(report, { hasFiles: true })).toMatch(/\[init\].*\n +0 \/dev\/null\n +3 \/log\n/);
    expect(asTables(report)).toMatch(/^1 +3 +REG +\/log$/m);
  });

  test('is printed by the command, and as tables and an object when that is wanted', async () => {
    new MadeImages(path('images')).dump({ pid: 1, name: 'init', open: { 3: '/log' } });
    const printed = async (...flags: string[]): Promise<string> =>
      (await libcriu(['inspect', ...flags, path('images')])).stdout;
    expect(await printed()).toMatch(/^Processes\n└─ 1 \[init\]/m);
    expect(await printed('--files')).toMatch(/^ +3 \/log$/m);
    expect(await printed('--table')).toMatch(/^PID +PPID +UID .*\n1 +0 +- +alive /m);
    const report = JSON.parse(JSON.stringify(await inspect(path('images'))));
    expect(JSON.parse(await printed('--json'))).toEqual(report);
  });

  test('ends where a damaged image has processes in a circle', async () => {
    new MadeImages(path('images')).dump(
      { pid: 1, ppid: 1 },
      { pid: 2, ppid: 3 },
      { pid: 3, ppid: 2 },
    );
    const tree = asTree(await inspect(path('images')));
    for (const pid of [1, 2, 3]) expect(tree.match(new RegExp(`─ ${pid} `, 'g'))).toHaveLength(1);
  });
});

test('what a process has put into names does nothing to a terminal', async () => {
  const hostile = '\u001b[2Jname\nPID\u202e';
  new MadeImages(path('images')).dump({
    pid: 1,
    name: hostile,
    open: { 3: `/${hostile}` },
    arguments: hostile,
    memory: [{ from: 0, pages: [pageOf(hostile)] }],
  });
  const report = await inspect(path('images'));
  expect(report.processes[0]?.name).toBe(hostile);
  for (const text of [asTree(report, { hasFiles: true }), asTables(report)]) {
    expect(text).toContain('?[2Jname?PID?');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: These are what must not be there.
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
  }
});

describe('what cannot be used is refused with one sentence', () => {
  const made = (): MadeImages => new MadeImages(path('images')).dump({ pid: 7 });

  test.each(['pstree.img', 'core-7.img', 'mm-7.img', 'files.img', 'pagemap-7.img', 'fdinfo-7.img'])(
    '%s that is damaged',
    async (name) => {
      made();
      writeFileSync(path(`images/${name}`), readFileSync(path(`images/${name}`)).subarray(0, -1));
      if (name === 'files.img' || name === 'fdinfo-7.img') {
        writeFileSync(path(`images/${name}`), 'no image');
      }
      const error = await rejection(inspect(path('images')));
      expect(error).toMatchObject({ code: 'ERR_CRIU_IMAGE', operation: 'inspect' });
      expect(error.message).toMatch(
        new RegExp(`^Cannot decode the image ${name} of ${path('images')}: it\\S* .*[^.\n]$`),
      );
    },
  );

  test('an image of another kind in the place of one', async () => {
    made();
    copyFileSync(path('images/core-7.img'), path('images/pstree.img'));
    await expect(inspect(path('images'))).rejects.toMatchObject({ code: 'ERR_CRIU_IMAGE' });
  });

  test('pages that are cut short', async () => {
    new MadeImages(path('images')).dump({ pid: 7, memory: [{ from: 0, pages: ['a', 'b'] }] });
    writeFileSync(path('images/pages-7.img'), pageOf('a'));
    const error = await rejection(inspect(path('images')));
    expect(error.message).toMatch(/: it has 8192 bytes of pages, and pages-7.img has 4096$/);
  });

  test.each([
    [
      'that overlap',
      [
        { from: 0, pages: ['a', 'b'] },
        { from: 1, pages: ['c'] },
      ],
    ],
    [
      'without an end',
      [
        { from: 0, pages: { count: 2 ** 31, place: 'parent' } },
        { from: 9, pages: ['c'] },
      ],
    ],
  ] as const)('pages %s', async (_, memory) => {
    new MadeImages(path('images')).dump({ pid: 7, memory });
    const error = await rejection(inspect(path('images')));
    expect(error.message).toMatch(/: its pages are not in the order of their addresses$/);
  });

  test('pages of which two pagemaps tell', async () => {
    const line = 'a\0b\0';
    const process = { arguments: line, memory: [{ from: 0, pages: [line] }] };
    const images = new MadeImages(path('images')).dump(
      { ...process, pid: 7 },
      { ...process, pid: 8, ppid: 7 },
    );
    images.pagemap('pagemap-8.img', 7, [{ from: 0, pages: [line] }]);
    await expect(inspect(path('images'))).rejects.toMatchObject({
      code: 'ERR_CHECKPOINT_ARCHIVE',
      message: `Cannot use the checkpoint ${path('images')}: its checkpoint/pages-7.img is told of twice`,
    });
  });

  test('images that are not complete', async () => {
    made();
    rmSync(path('images/inventory.img'));
    await expect(inspect(path('images'))).rejects.toMatchObject({ code: 'ERR_CHECKPOINT_ARCHIVE' });
  });

  test('parents in a circle', async () => {
    new MadeImages(path('a')).parent('../b').dump({ pid: 7 });
    new MadeImages(path('b')).parent('../a');
    const error = await rejection(inspect(path('a')));
    expect(error.message).toMatch(/: its parents are in a circle$/);
  });

  test('a parent that is gone', async () => {
    new MadeImages(path('a')).parent('../b').dump({ pid: 7 });
    await expect(inspect(path('a'))).rejects.toMatchObject({
      code: 'ERR_CHECKPOINT_ARCHIVE',
      message: `Cannot use the checkpoint ${path('b')}: it is a parent, and is not there`,
    });
  });

  test.each([
    [undefined, {}, 'TypeError'],
    ['', {}, 'RangeError'],
    ['/a', { other: 1 }, 'RangeError'],
    ['/a', { maxBytes: 0 }, 'RangeError'],
  ])('the arguments %j and %j', async (file, options, name) => {
    expect(await rejection(inspect(file as string, options as object))).toMatchObject({ name });
  });
});
