import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { asTables } from '../../../lib/inspect/as-table.js';
import { asTree } from '../../../lib/inspect/as-tree.js';
import { asPage } from '../../../lib/inspect/html/page.js';
import { inspect } from '../../../lib/inspect/inspect.js';
import type { CheckpointReport } from '../../../lib/inspect/report.js';
import { libcriu } from '../../helpers/command.js';
import { MadeImages } from '../../helpers/criu/made-images.js';
import { Scope, useScope } from '../../helpers/scope.js';

const scope = useScope();
const shared = new Scope();
let report: CheckpointReport;

beforeAll(async () => {
  const { directory } = new MadeImages(join(await shared.directory(), 'images')).dump(
    { pid: 1, name: 'init', open: { 3: '/log' }, memory: [{ from: 0, pages: ['a', 'b'] }] },
    { pid: 2, ppid: 1, name: 'other', memory: [{ from: 3, pages: ['c'] }] },
  );
  report = await inspect(directory);
  return () => shared.close();
});

/** The report with other text wherever a checkpoint says what the text is. */
function withText(text: string): CheckpointReport {
  const [first, second] = report.processes;
  if (first === undefined || second === undefined) throw new Error('There are two processes');
  const socket = { protocol: text, type: text, state: text, local: text, remote: text };
  return {
    ...report,
    name: text,
    image: text,
    volumes: [text],
    processes: [
      {
        ...first,
        name: text,
        commandLine: [text, text],
        executable: text,
        workingDirectory: text,
        descriptors: first.descriptors.map((one) => ({ ...one, description: text, type: text })),
        mappings: first.mappings.map((one) => ({ ...one, file: text })),
      },
      { ...second, name: text, commandLine: undefined },
    ],
    sockets: [{ ...socket, unread: 1, unsent: 1, holders: [{ pid: 1, fd: 3 }] }],
    mounts: [
      {
        id: 1,
        parentId: 0,
        mountPoint: text,
        type: text,
        source: text,
        root: text,
        options: text,
        external: text,
        namespace: 1,
      },
    ],
    namespaces: [{ kind: 'net', id: 1, isOutside: false, pids: [1], detail: text }],
    parents: [{ path: text, saved: 1, times: undefined }],
  };
}

/** The tags of a page, each with its attributes. */
const tagsOf = (page: string): string[] => page.match(/<[^>]*>/g) ?? [];

describe('text of a checkpoint is text on its page', () => {
  const hostile = [
    '<script>alert(1)</script>',
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    '</style><script>alert(1)</script>',
    '</title></svg></details>',
    '<!--',
    '&lt;script&gt;',
    'url(javascript:alert(1))',
    '\u0000\u001b]8;;\u202e',
  ];

  test.each(hostile)('%j', (text) => {
    const page = asPage(withText(text));
    expect(tagsOf(page)).toEqual(tagsOf(asPage(withText('x'.repeat(text.length)))));
    expect(page).not.toMatch(/<script|<img|javascript:[^)]*\)[^<]*"/i);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: These are what must not be there.
    expect(page).not.toMatch(/[\u0000\u001b\u202e]/);
  });

  test('whatever it is', () => {
    const unit = fc.constantFrom(...'<>"\'&/=-;:!()x ', '\n', '\u0000', '`', '${', '\u2028');
    void fc.assert(
      fc.property(fc.string({ unit, minLength: 1, maxLength: 30 }), (text) => {
        const benign = 'x'.repeat(text.length);
        expect(tagsOf(asPage(withText(text)))).toEqual(tagsOf(asPage(withText(benign))));
      }),
      { numRuns: 200 },
    );
  });
});

test('as many processes as a damaged image may have are shown', () => {
  const [first] = report.processes;
  if (first === undefined) throw new Error('There is a process');
  // Most of them are side by side, and each of the others is below the one before it.
  const parentOf = (at: number): number => (at < 130_000 ? Math.min(at, 1) : at);
  const processes = Array.from({ length: 140_000 }, (_, at) => ({
    ...first,
    descriptors: [],
    mappings: [],
    pid: at + 1,
    parentPid: parentOf(at),
  }));
  const many = { ...report, processes };
  for (const text of [asPage(many), asTree(many), asTables(many)]) expect(text).toContain('140000');
});

test('the page needs nothing but itself, and says so', () => {
  const page = asPage(withText('a'));
  expect(page).toContain(`content="default-src &#39;none&#39;; style-src &#39;unsafe-inline&#39;;`);
  expect(page).not.toMatch(/<script|<link|<img|<iframe| src=| href=|url\(|@import/);
  // Every element that is opened is closed.
  const open: string[] = [];
  for (const tag of tagsOf(page)) {
    const [, slash = '', name = '', end = ''] = /^<(\/?)([a-z0-9!]+)[^>]*?(\/?)>$/.exec(tag) ?? [];
    if (slash !== '') expect(open.pop()).toBe(name);
    else if (!['!doctype', 'meta'].includes(name) && end === '') open.push(name);
  }
  expect(open).toEqual([]);
});

test('the memory is as large on the page as it is', () => {
  const tiles = [
    ...asPage(report).matchAll(/<rect fill="[^"]*" x="\d+" y="\d+" width="(\d+)" height="(\d+)"/g),
  ];
  const areas = tiles.map(([, width, height]) => Number(width) * Number(height));
  expect(areas).toHaveLength(2);
  // Two pages and one page; the captions take a little of each.
  expect((areas[0] ?? 0) / (areas[1] ?? 1)).toBeCloseTo(2, 0);
});

test('the command writes the page, in place of an older one', async () => {
  const file = join(await scope.directory(), 'web.html');
  writeFileSync(file, 'old');
  const { status, stdout } = await libcriu(['inspect', '--html', file, report.path]);
  expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
  expect(readFileSync(file, 'utf8')).toMatch(/^<!doctype html>\n.*<\/html>\n$/s);
  const both = await libcriu(['inspect', '--html', file, '--json', report.path]);
  expect(both.stderr).toMatch(/Expected one of --json and --html/);
});
