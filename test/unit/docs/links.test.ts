import { existsSync, readdirSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { includeRooms } from '../../../tools/include-rooms.mjs';
import { anchorOf, codeIn, page, pages, table } from '../../helpers/markdown.js';
import { projectRoot } from '../../helpers/paths.js';

/** Where the links and images of a page lead. */
function linksIn(prose: string): string[] {
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
}

function isMissing(from: string, target: string): boolean {
  const [file = '', anchor] = target.split('#');
  const path = file === '' ? from : relative(projectRoot, join(projectRoot, dirname(from), file));
  if (path.startsWith('..') || !existsSync(join(projectRoot, path))) return true;
  return anchor !== undefined && !page(path).headings.map(anchorOf).includes(anchor);
}

test.each(pages.map(({ path, prose }) => ({ path, prose })))(
  'the links of $path lead somewhere',
  ({ path, prose }) => {
    const local = linksIn(prose).filter((target) => !target.startsWith('https://'));
    expect(local.filter((target) => isMissing(path, target))).toEqual([]);
  },
);

test.each(pages.map(({ path, headings }) => ({ path, headings })))(
  'no two headings of $path have the same anchor',
  ({ headings }) => {
    const anchors = headings.map(anchorOf);
    expect(anchors.filter((anchor, index) => anchors.indexOf(anchor) !== index)).toEqual([]);
  },
);

test('every page of docs/ is linked from README.md', () => {
  const linked = linksIn(page('README.md').prose).map((target) => target.replace(/#.*/, ''));
  const unlinked = pages.map(({ path }) => path).filter((path) => path.startsWith('docs/'));
  expect(unlinked.filter((path) => !linked.includes(path))).toEqual([]);
});

// A path in backticks below a directory of the repository, of those that are always there. CRIU's
// prefix has a lib/ too.
const ours =
  /^(?:lib(?!\/libcriu\.so|\/\w+-linux-gnu)|native|docs|test|bench|examples|scripts|tools|proto)\/\S*$/;

/** Whether there is a file of this path, whose name may have `*` in it. */
function isThere(path: string): boolean {
  if (!path.includes('*')) return existsSync(join(projectRoot, path));
  const name = new RegExp(`^${basename(path).replaceAll('.', '\\.').replaceAll('*', '.*')}$`);
  return readdirSync(join(projectRoot, dirname(path))).some((one) => name.test(one));
}

test.each(pages.map(({ path, prose }) => ({ path, prose })))(
  'the files that $path names exist',
  ({ prose }) => {
    expect(codeIn(prose).filter((code) => ours.test(code) && !isThere(code))).toEqual([]);
  },
);

describe('the rooms in docs/internals.md', () => {
  const { blocks } = page('docs/internals.md');
  const picture = blocks.find(({ text }) => text.includes('lib/, TypeScript'))?.text ?? '';
  const roomsOf = (side: 'lib' | 'native'): string[] =>
    table('docs/internals.md', `Rooms of \`${side}/\``).rows.flatMap(
      ([cell = '']) => /^`([\w/]+)\/`/.exec(cell)?.[1] ?? [],
    );

  test('are the folders of lib/', () => {
    const folders = readdirSync(join(projectRoot, 'lib'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    expect(roomsOf('lib').sort()).toEqual(folders.sort());
  });

  test('are those of native/, with the rooms that each may include', () => {
    const rows = table('docs/internals.md', 'Rooms of `native/`').rows.map(([, , uses = '']) =>
      codeIn(uses).sort(),
    );
    expect(Object.fromEntries(roomsOf('native').map((room, index) => [room, rows[index]]))).toEqual(
      Object.fromEntries(
        Object.entries(includeRooms).map(([room, uses]) => [room, [...uses].sort()]),
      ),
    );
  });

  test.each(['lib', 'native'] as const)('of %s/ are in the picture', (side) => {
    for (const room of roomsOf(side)) {
      expect(picture).toMatch(new RegExp(`\\b${room.replace(/\/.*/, '')}\\b`));
    }
  });
});
