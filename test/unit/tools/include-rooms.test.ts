import { describe, expect, test } from 'vitest';
import { checkIncludes, includeRooms, readNativeFiles } from '../../../tools/include-rooms.mjs';

/** The findings that come on top when files are planted into native/. */
function plant(planted: Record<string, string>): string[] {
  return checkIncludes(new Map([...readNativeFiles(), ...Object.entries(planted)]));
}

test('the includes of native/ keep to the table of rooms', () => {
  expect(readNativeFiles().size).toBeGreaterThan(60);
  expect(checkIncludes(readNativeFiles())).toEqual([]);
});

test('every room of the table has files', () => {
  const directories = new Set(
    [...readNativeFiles().keys()].map((file) => file.replace(/\/[^/]*$/, '')),
  );
  expect([...directories].sort()).toEqual(Object.keys(includeRooms).sort());
});

describe('a planted include', () => {
  test('of a higher room is found', () => {
    expect(
      plant({ 'base/planted.h': '#pragma once\n\n#include "operation/operation.h"\n' }),
    ).toEqual([
      'native/base/planted.h:3: #include "operation/operation.h": the room base may include no other room, not operation',
    ]);
  });

  test('of a room at the same height is found', () => {
    expect(plant({ 'workers/planted.h': '#include "rollback/guard.h"\n' })).toEqual([
      'native/workers/planted.h:1: #include "rollback/guard.h": the room workers may include base, linux, not rollback',
    ]);
  });

  test('that closes a circle within a room is found', () => {
    const planted = {
      'linux/first.h': '#include "linux/second.h"\n',
      'linux/second.h': '#include "linux/third.h"\n',
      'linux/third.h': '\n#include "linux/first.h"\n',
    };
    expect(plant(planted)).toEqual([
      'native/linux/third.h:2: #include "linux/first.h": includes must not form a circle: linux/first.h -> linux/second.h -> linux/third.h -> linux/first.h',
    ]);
  });

  test('of itself is found', () => {
    expect(plant({ 'linux/planted.h': '#include "linux/planted.h"\n' })).toEqual([
      'native/linux/planted.h:1: #include "linux/planted.h": includes must not form a circle: linux/planted.h -> linux/planted.h',
    ]);
  });

  test('that closes a circle over two rooms breaks both rules', () => {
    const planted = {
      'base/planted.h': '#include "linux/planted.h"\n',
      'linux/planted.h': '#include "base/planted.h"\n',
    };
    expect(plant(planted)).toEqual([
      'native/base/planted.h:1: #include "linux/planted.h": the room base may include no other room, not linux',
      'native/linux/planted.h:1: #include "base/planted.h": includes must not form a circle: base/planted.h -> linux/planted.h -> base/planted.h',
    ]);
  });

  test.each(['napi.h', 'node_api.h'])('of <%s> outside of addon/ is found', (header) => {
    expect(plant({ 'operation/planted.cc': `#include <${header}>\n` })).toEqual([
      `native/operation/planted.cc:1: #include <${header}>: only the room addon may include it`,
    ]);
    expect(plant({ 'addon/planted.cc': `#include <${header}>\n` })).toEqual([]);
  });

  test.each(['failure.h', '../base/failure.h', 'base/missing.h'])(
    'by another name than from native/ is found: "%s"',
    (name) => {
      expect(plant({ 'base/planted.cc': `  # include "${name}"\n` })).toEqual([
        `native/base/planted.cc:1: #include "${name}": a header of ours is named by its path from native/, as "room/file.h"`,
      ]);
    },
  );

  test('in a comment is none', () => {
    expect(plant({ 'base/planted.h': '// #include "operation/operation.h"\n' })).toEqual([]);
  });
});

test.each(['planted.h', 'drawer/planted.h', 'tar/planted.h', 'linux/deeper/planted.h'])(
  'a file outside of all rooms is found: %s',
  (file) => {
    expect(plant({ [file]: '' })).toEqual([`native/${file}: is in none of the rooms`]);
  },
);

test('a table in which a room lists one below it is refused', () => {
  const rooms = { base: ['linux'], linux: ['base'] };
  expect(checkIncludes(new Map(), rooms)).toEqual([
    'the table of rooms: base may list only rooms above it, not linux',
  ]);
});
