// @ts-check
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';

/**
 * The rooms of native/, from the ground up, and the rooms that the files of each may include besides
 * their own. A room may list only rooms above it, so the rooms cannot form a circle.
 *
 * @type {Readonly<Record<string, readonly string[]>>}
 */
export const includeRooms = {
  base: [],
  linux: ['base'],
  criu: ['base'],
  rollback: ['base', 'linux'],
  workers: ['base', 'linux'],
  serve: ['base', 'linux', 'rollback'],
  operation: ['base', 'linux', 'criu', 'rollback', 'workers', 'serve'],
  addon: ['base', 'linux', 'criu', 'rollback', 'workers', 'serve', 'operation'],
  'programs/detach': [],
  'programs/front': [],
  'programs/init': ['base', 'linux'],
  'programs/guard': ['base', 'linux', 'rollback'],
  'programs/tar': ['base'],
  'programs/preload': ['linux', 'programs/tar'],
  'programs/layer': ['base', 'programs/tar'],
};

/** The only room that may know Node's interface. */
const nodeRoom = 'addon';
const nodeHeaders = ['napi.h', 'node_api.h', 'js_native_api.h'];

/**
 * @typedef {object} Include
 * @property {string} file the file that includes, from native/
 * @property {number} line
 * @property {string} name what it includes
 * @property {boolean} isOurs whether the name is in quotation marks
 */

/**
 * Checks the `#include` lines of native/ against {@link includeRooms}.
 *
 * @param {ReadonlyMap<string, string>} files the text of each file, by its path from native/
 * @returns {string[]} a line for each finding, which names file, include and rule
 */
export function checkIncludes(files, rooms = includeRooms) {
  const includes = [...files].flatMap(([file, text]) => includesOf(file, text));
  return [
    ...checkTable(rooms),
    ...[...files.keys()].flatMap((file) =>
      roomOf(file, rooms) === undefined ? [`native/${file}: is in none of the rooms`] : [],
    ),
    ...includes.flatMap((include) => {
      const broken = include.isOurs
        ? brokenRule(include, files, rooms)
        : brokenNodeRule(include, rooms);
      return broken === undefined ? [] : [`${place(include)}: ${broken}`];
    }),
    ...findCircles(includes.filter(({ isOurs, name }) => isOurs && files.has(name))),
  ];
}

/** The text of each C++ file of native/, by its path from there. */
export function readNativeFiles() {
  const directory = join(root, 'native');
  const names = readdirSync(directory, { recursive: true, encoding: 'utf8' });
  return new Map(
    names
      .filter((name) => /\.(cc|h)$/.test(name))
      .sort()
      .map((name) => [name, readFileSync(join(directory, name), 'utf8')]),
  );
}

/**
 * @param {string} file
 * @param {string} text
 * @returns {Include[]}
 */
function includesOf(file, text) {
  return text.split('\n').flatMap((content, index) => {
    const [, mark, name] = /^\s*#\s*include\s*(["<])([^">]+)[">]/.exec(content) ?? [];
    return name === undefined ? [] : [{ file, line: index + 1, name, isOurs: mark === '"' }];
  });
}

/** @param {Include} include */
function place({ file, line, name, isOurs }) {
  return `native/${file}:${line}: #include ${isOurs ? `"${name}"` : `<${name}>`}`;
}

/** @param {typeof includeRooms} rooms */
function checkTable(rooms) {
  const names = Object.keys(rooms);
  return Object.entries(rooms).flatMap(([room, others]) =>
    others
      .filter((other) => !names.slice(0, names.indexOf(room)).includes(other))
      .map((other) => `the table of rooms: ${room} may list only rooms above it, not ${other}`),
  );
}

/**
 * The room of a file that lies directly in it.
 *
 * @param {string} file
 * @param {typeof includeRooms} rooms
 */
function roomOf(file, rooms) {
  const directory = file.slice(0, Math.max(0, file.lastIndexOf('/')));
  return Object.hasOwn(rooms, directory) ? directory : undefined;
}

/**
 * @param {Include} include
 * @param {ReadonlyMap<string, string>} files
 * @param {typeof includeRooms} rooms
 */
function brokenRule({ file, name }, files, rooms) {
  if (!files.has(name)) {
    return 'a header of ours is named by its path from native/, as "room/file.h"';
  }
  const room = roomOf(file, rooms);
  const other = roomOf(name, rooms);
  // A file outside of all rooms is reported once, for itself.
  if (room === undefined || other === undefined || room === other) return undefined;
  const allowed = rooms[room] ?? [];
  if (allowed.includes(other)) return undefined;
  return `the room ${room} may include ${allowed.join(', ') || 'no other room'}, not ${other}`;
}

/**
 * @param {Include} include
 * @param {typeof includeRooms} rooms
 */
function brokenNodeRule({ file, name }, rooms) {
  if (!nodeHeaders.includes(name) || roomOf(file, rooms) === nodeRoom) return undefined;
  return `only the room ${nodeRoom} may include it`;
}

/**
 * Follows the includes of each file, and reports each circle once, at the include that closes it.
 *
 * @param {readonly Include[]} includes
 * @returns {string[]}
 */
function findCircles(includes) {
  /** @type {string[]} */
  const found = [];
  /** @type {Set<string>} */
  const finished = new Set();
  /** @type {string[]} */
  const path = [];
  /** @param {string} file */
  const visit = (file) => {
    path.push(file);
    for (const include of includes.filter((one) => one.file === file)) {
      const start = path.indexOf(include.name);
      if (start >= 0) {
        const circle = [...path.slice(start), include.name].join(' -> ');
        found.push(`${place(include)}: includes must not form a circle: ${circle}`);
      } else if (!finished.has(include.name)) {
        visit(include.name);
      }
    }
    path.pop();
    finished.add(file);
  };
  for (const { file } of includes) if (!finished.has(file)) visit(file);
  return found;
}
