// @ts-check
// lib/ to a few files of dist/: to find and load a module takes Node.js longer than to run most of ours.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './paths.mjs';

/** What is run or imported by its path, by its name in dist/. */
const entries = {
  index: 'lib/index.ts',
  'archive/zstd-worker': 'lib/archive/zstd-worker.ts',
};

/**
 * What is in one file. A module is in the first of these whose modules import it, other than by
 * `import()`; what none of them imports is divided by the bundler.
 *
 * @type {readonly (readonly [name: string, modules: readonly string[]])[]}
 */
const layers = [
  ['core', ['lib/index.ts']],
  ['criu', ['lib/criu/parts.ts']],
  ['dump', ['lib/process/run-dump.ts']],
  ['checkpoint', ['lib/container/checkpoint.ts']],
  ['explain', ['lib/preflight/enrich.ts', 'lib/process/explain.ts', 'lib/container/explain.ts']],
  ['restore', ['lib/process/run-restore.ts']],
  ['archive', ['lib/archive/archiving.ts', 'lib/archive/run-export.ts']],
  ['open', ['lib/archive/open-source.ts']],
];

/** The same for the command. @type {typeof layers} */
const commandLayers = [
  [
    'command',
    [
      'lib/cli/start.ts',
      'lib/criu/parts.ts',
      'lib/process/run-dump.ts',
      'lib/container/checkpoint.ts',
    ],
  ],
];

/** Of this we need a few functions, and it imports all of its package. */
const inlined = new Set(['@bufbuild/protobuf/wire']);

/**
 * Keeps the notices of those whose code gets into ours, which their licences demand.
 *
 * @type {import('rolldown').Plugin}
 */
const keepNotices = {
  name: 'keep-notices',
  transform(code, id) {
    if (!id.includes('/node_modules/')) return null;
    const kept = code.replaceAll(
      /(?:^\/\/.*\n)*^\/\/.*Copyright.*\n(?:\/\/.*\n)*/gm,
      (notice) =>
        `${notice.replaceAll(/^\/\//gm, '  ').replace(/^ {2}/, '/*!').replace(/\n$/, '')} */\n`,
    );
    // Each stays in its lines, so that the source map holds.
    return { code: kept, map: null };
  },
};

/** Modules of Node.js that most runs of the command do without, and that are slow to load. */
const seldom = /^node:(child_process|crypto|events|readline|stream\/.*|worker_threads|zlib)$/;

/**
 * Has scripts in the format of CommonJS load these modules where they are used, and not at their start.
 *
 * @type {import('rolldown').Plugin}
 */
const loadWhereUsed = {
  name: 'load-where-used',
  renderChunk(code) {
    const declaration = /^let (\w+) = require\("(node:[^"]+)"\);$/gm;
    let changed = code;
    for (const [line, variable = '', id = ''] of code.matchAll(declaration)) {
      // What is assigned once more is a default import.
      if (!seldom.test(id) || code.includes(`\n${variable} = `)) continue;
      const uses = new RegExp(`\\b${variable}\\.`, 'g');
      changed = changed.replace(line, '').replaceAll(uses, `(require("${id}")).`);
    }
    // Everything stays in its line, so that the source map holds.
    return { code: changed, map: null };
  },
};

/**
 * Writes other characters than those of ASCII as escapes, in strings, where alone they are. V8 then keeps a script
 * in one byte for each, and Node.js reads it as it is.
 *
 * @type {import('rolldown').Plugin}
 */
const inAscii = {
  name: 'in-ascii',
  renderChunk(code) {
    const escaped = code.replace(
      /[^\0-\x7f]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
    return { code: escaped, map: null };
  },
};

/**
 * Has modules that are loaded late read at once and not by and by, where they are files beside this one. A
 * worker thread that is terminated meanwhile would leave their descriptors open, because Node.js holds a file
 * that it reads for `import()` as an object. In somebody's bundle, which has no such files, `import()` stays.
 *
 * @type {import('rolldown').Plugin}
 */
const loadAtOnce = {
  name: 'load-at-once',
  renderChunk(code) {
    const loads = /\bimport\((?="\.{1,2}\/)("[^"]+")\)/g;
    if (!loads.test(code)) return null;
    const how =
      'import { createRequire as $createRequire } from "node:module"; ' +
      'const $atOnce = async (path, load) => { ' +
      'try { if (import.meta.url) return $createRequire(import.meta.url)(path); } ' +
      'catch (error) { if (error?.code !== "MODULE_NOT_FOUND") throw error; } return load(); }; ';
    // It stands in the first line, so that the source map holds.
    return { code: how + code.replaceAll(loads, '$$atOnce($1, () => import($1))'), map: null };
  },
};

/**
 * lib/ to `directory`.
 *
 * @param {string} directory
 * @returns {Promise<string[]>} the files that were written, from `directory` on
 */
export async function bundle(directory) {
  const modules = await bundleModules(entries, directory, {
    // A process that was started before the next build must not be given that one's half.
    chunkFileNames: 'chunks/[name]-[hash].js',
    codeSplitting: inGroups(layers),
    plugins: [loadAtOnce],
  });
  return [...modules, ...(await bundleCommand(directory))];
}

/**
 * The command: what is started, and the script that it runs (lib/cli/main.ts).
 *
 * @param {string} directory
 */
async function bundleCommand(directory) {
  const main = await bundleModules({ 'cli/main': 'lib/cli/main.ts' }, directory, {
    format: 'cjs',
    strict: true,
  });
  const program = await bundleModules({ 'cli/program': 'lib/cli/start.ts' }, directory, {
    format: 'cjs',
    strict: true,
    entryFileNames: '[name]-[hash].cjs',
    chunkFileNames: 'cli/[name]-[hash].cjs',
    codeSplitting: inGroups(commandLayers),
    dynamicImportInCjs: false,
    // It is read at each start.
    comments: { jsdoc: false, annotation: false, legal: true },
    banner: '(function (exports, require, __filename) {',
    footer: '})',
  });
  const type = 'cli/package.json';
  writeFileSync(join(directory, type), '{ "type": "commonjs" }\n');
  return [...main, ...program, type];
}

/**
 * Modules with what they import, and their source maps.
 *
 * @param {Readonly<Record<string, string>>} input the modules by the name that they get
 * @param {string} directory
 * @param {import('rolldown').OutputOptions} [settings]
 * @returns {Promise<string[]>} the files that were written, from `directory` on
 */
export async function bundleModules(input, directory, settings = {}) {
  // A package of the registry has dist/, and no bundler.
  const { rolldown } = await import('rolldown');
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const names = Object.keys(dependencies);
  const build = await rolldown({
    cwd: root,
    input,
    platform: 'node',
    // Nothing is added to what an entry exports.
    preserveEntrySignatures: 'allow-extension',
    tsconfig: join(root, 'tsconfig.json'),
    plugins: [keepNotices, ...(settings.format === 'cjs' ? [loadWhereUsed, inAscii] : [])],
    // What is in one file for the command is in two for the package.
    checks: { ineffectiveDynamicImport: false },
    external: (id) => !inlined.has(id) && names.some((name) => `${id}/`.startsWith(`${name}/`)),
  });
  try {
    const { output } = await build.write({
      dir: directory,
      format: 'esm',
      entryFileNames: '[name].js',
      chunkFileNames: '[name].js',
      sourcemap: true,
      // The package has lib/ itself.
      sourcemapExcludeSources: true,
      // The names in a stack are those of the sources.
      minify: false,
      minifyInternalExports: false,
      ...settings,
    });
    return output.map(({ fileName }) => fileName);
  } finally {
    await build.close();
  }
}

/** @typedef {import('rolldown').ChunkingContext} Context */

/**
 * @param {typeof layers} wanted
 * @returns {import('rolldown').CodeSplittingOptions}
 */
function inGroups(wanted) {
  /** @type {Map<string, string> | undefined} */
  let found;
  return {
    includeDependenciesRecursively: false,
    groups: [
      {
        debugName: 'layers',
        name: (id, context) => {
          found ??= divide(wanted, context);
          return found.get(id) ?? null;
        },
      },
    ],
  };
}

/**
 * The layer of each module by its path.
 *
 * @param {typeof layers} wanted
 * @param {Context} context
 */
function divide(wanted, context) {
  /** @type {Map<string, string>} */
  const found = new Map();
  for (const [name, modules] of wanted) {
    const left = modules.map((module) => join(root, module));
    for (let id = left.pop(); id !== undefined; id = left.pop()) {
      if (found.has(id)) continue;
      const info = context.getModuleInfo(id);
      if (info === null) continue;
      // An entry is a file of its own in any case.
      if (!info.isEntry) found.set(id, name);
      left.push(...info.importedIds);
    }
  }
  return found;
}
