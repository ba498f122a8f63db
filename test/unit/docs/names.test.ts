import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { commands as allCommands } from '../../../lib/cli/commands.js';
import { outputFlags } from '../../../lib/cli/output.js';
import { run } from '../../../lib/cli/program.js';
import { dumpHooks, restoreHooks } from '../../../lib/criu/hooks.js';
import { checkCodes } from '../../../lib/doctor/check.js';
import * as api from '../../../lib/index.js';
import { optionTable, profiles } from '../../../lib/options/table.js';
import { poolOptions } from '../../../lib/pool/options.js';
import { codeIn, namesIn, page, pages, table } from '../../helpers/markdown.js';
import { projectRoot } from '../../helpers/paths.js';

const sorted = (names: Iterable<string>): string[] => [...new Set(names)].sort();

test('README.md has at most 150 lines', () => {
  expect(page('README.md').text.split('\n').length - 1).toBeLessThanOrEqual(150);
});

test('README.md has a row for each function that is exported, and no other', () => {
  const rows = namesIn(table('README.md', 'Functions'));
  const exported = Object.entries(api).flatMap(([name, value]) =>
    typeof value === 'function' && name !== 'CriuError' ? name : [],
  );
  expect(sorted(rows.map((row) => row.replace(/^new |\(.*$/g, '')))).toEqual(sorted(exported));
});

test('docs/doctor.md has a row for each code, in the same order', () => {
  expect(namesIn(table('docs/doctor.md', 'Codes'))).toEqual([...checkCodes]);
});

describe('errors', () => {
  test('docs/errors.md has a row for each code, in the same order', () => {
    expect(namesIn(table('docs/errors.md', 'Codes'))).toEqual([...api.errorCodes]);
  });

  test('docs/preflight.md has a row for each finding, with severities that there are', () => {
    const codes = table('docs/preflight.md', 'Codes');
    expect(sorted(namesIn(codes))).toEqual(sorted(api.findingCodes));
    for (const [code = '', severity = '', text = ''] of codes.rows) {
      expect(severity, code).toMatch(
        /^(?:fails|needs-option|not-restorable|notice)(?:; (?:fails|needs-option|not-restorable|notice))?$/,
      );
      if (severity.startsWith('needs-option')) expect(text, code).toMatch(/`/);
    }
  });

  test('no page names a code that there is not', () => {
    const known: readonly string[] = [
      ...api.errorCodes,
      'ERR_INVALID_ARG_TYPE',
      'ERR_INVALID_ARG_VALUE',
    ];
    const named = pages.flatMap(({ text }) => text.match(/\bERR_[A-Z_]+\b/g) ?? []);
    expect(sorted(named).filter((code) => !known.includes(code))).toEqual([]);
  });
});

describe('hooks', () => {
  test.each([
    ['Hooks of a dump', dumpHooks],
    ['Hooks of a restore', restoreHooks],
  ] as const)('docs/hooks.md has all below "%s", in their order', (heading, { scripts }) => {
    const rows = table('docs/hooks.md', heading).rows.map(([cell = '']) => cell);
    expect(rows).toEqual(Object.keys(scripts).map((name) => `\`${name}\``));
  });

  test('docs/hooks.md tells which of a restore can veto', () => {
    const { rows } = table('docs/hooks.md', 'Hooks of a restore');
    const tooLate = rows.filter(([, , veto]) => veto === 'no').map(([cell = '']) => cell);
    expect(tooLate).toEqual(restoreHooks.tooLate.map((name) => `\`${name}\``));
  });
});

describe('options', () => {
  const names = new Set([
    ...optionTable.map(({ name }) => name),
    ...poolOptions,
    ...namesIn(table('docs/iterate.md', 'Options')),
    ...namesIn(table('docs/archives.md', '`exportCheckpoint(imagePath, to, options)`')),
  ]);

  test('the tables of options name none that there is not', () => {
    const rows = pages.flatMap(({ tables }) =>
      tables.filter(({ columns }) => columns[0] === 'Option').flatMap(namesIn),
    );
    expect(rows.length).toBeGreaterThan(optionTable.length);
    expect(rows.filter((name) => !names.has(name))).toEqual([]);
  });

  test('docs/pool.md has all of a pool', () => {
    expect(sorted(namesIn(table('docs/pool.md', 'Options')))).toEqual(sorted(poolOptions));
  });

  test('docs/options.md has the settings of the profile', () => {
    const rows = namesIn(table('docs/options.md', "`profile: 'fast'`"));
    const settings = Object.entries(profiles['fast'] ?? {}).map(
      ([name, value]) => `${name}: ${typeof value === 'string' ? `'${value}'` : value}`,
    );
    expect(sorted(rows)).toEqual(sorted(settings));
  });

  test('docs/checkpoint.md has the values of existing', () => {
    const { values = [] } = optionTable.find(({ name }) => name === 'existing') ?? {};
    const rows = namesIn(table('docs/checkpoint.md', 'The images directory'));
    expect(rows).toEqual(values.map((value) => `'${value}'`));
  });

  test('a setting in backticks is one of an option, or of the environment', () => {
    // `name: value`, as an example of an option would have it.
    const settings = pages.flatMap(({ prose }) =>
      codeIn(prose).flatMap((code) => /^([a-z]\w*): \S/.exec(code)?.[1] ?? []),
    );
    expect(settings.length).toBeGreaterThan(10);
    const others = ['native', 'stop', 'restored', 'force']; // a commit's area, and members of values
    expect(sorted(settings).filter((name) => !names.has(name) && !others.includes(name))).toEqual(
      [],
    );
  });
});

/** What the command prints. */
async function helpOf(...args: string[]): Promise<string> {
  let text = '';
  await run(args, {
    stdout: { write: (part) => (text += part) },
    stderr: { write: () => undefined },
    version: '',
    checkpoint: () => Promise.reject(new Error('not called')),
    onInterrupt: () => () => undefined,
  });
  return text;
}

/** The flags in a text, without dashes. */
function flagsIn(text: string): string[] {
  return [...text.matchAll(/(?<![\w-])--([a-z][a-z-]*)/g)].map(([, flag = '']) => flag);
}

/** The flags that help lists as such, and does not only mention. */
function listedIn(help: string): string[] {
  return help.split('\n').flatMap((line) => flagsIn(/^ +(--\S+)/.exec(line)?.[1] ?? ''));
}

describe('the command', async () => {
  const commands = allCommands.map(({ name }) => name);
  const global = listedIn(await helpOf('help'));
  const flags = new Map<string, string[]>();
  for (const command of commands) flags.set(command, listedIn(await helpOf('help', command)));

  test('docs/command.md has its commands', async () => {
    const section = (await helpOf('help')).replace(/^.*Commands:\n(.*?)\n\n.*$/s, '$1');
    const listed = section.split('\n').flatMap((line) => /^ {3}(\S+)/.exec(line)?.[1] ?? []);
    expect(sorted(namesIn(table('docs/command.md', 'Commands')))).toEqual(sorted(listed));
  });

  test('docs/command.md has its global flags, and no other', () => {
    const rows = namesIn(table('docs/command.md', 'Global options')).flatMap(flagsIn);
    expect(global.length).toBeGreaterThan(5);
    expect(sorted(rows)).toEqual(sorted(global));
  });

  test.each([
    'explain',
    'list',
    'export',
    'import',
    'inspect',
    'diff',
    'memory',
    'run',
    'encode',
    'setup',
    'completion',
  ])('docs/command.md has the own flags of %s, and no other', (name) => {
    const rows = namesIn(table('docs/command.md', `\`libcriu ${name}\``)).flatMap(flagsIn);
    const own = (flags.get(name) ?? []).filter((flag) => flag !== 'help');
    expect(sorted(rows)).toEqual(sorted(own));
  });

  test('docs/command.md has the flags of checkpoint that are no options', () => {
    const rows = namesIn(table('docs/command.md', '`libcriu checkpoint`')).flatMap(flagsIn);
    expect(rows).toEqual(outputFlags.map(({ name }) => name));
    for (const name of rows) expect(flags.get('dump')).toContain(name);
  });

  test('docs/options.md has every flag of checkpoint, dump and restore', () => {
    const rows = table('docs/options.md', 'Options').rows.flatMap(([, cell = '']) => flagsIn(cell));
    const others = ['help', ...outputFlags.map(({ name }) => name)];
    const flagsOf = (name: string) =>
      (flags.get(name) ?? []).filter((flag) => !others.includes(flag));
    expect(rows).toEqual(expect.arrayContaining(['checkpoint', 'dump'].flatMap(flagsOf)));
    const servers = ['page-server', 'lazy-pages'];
    const all = ['checkpoint', 'dump', 'restore', ...servers].flatMap(flagsOf);
    expect(rows.filter((flag) => !all.includes(flag))).toEqual([]);
  });

  test('command lines of libcriu have flags that there are', () => {
    const lines = pages.flatMap(({ blocks, prose }) => [
      ...blocks.filter(({ language }) => language !== 'ts').flatMap(({ text }) => text.split('\n')),
      ...codeIn(prose),
    ]);
    const calls = lines.flatMap((line) => /^(?:\$ )?libcriu (.*)$/.exec(line)?.[1] ?? []);
    expect(calls.length).toBeGreaterThan(8);
    for (const call of calls) {
      const name = call.split(' ').find((word) => commands.includes(word));
      const known = [...global, ...(flags.get(name ?? '') ?? [])];
      // explain takes the flags of checkpoint; a program that is run has its own.
      if (name === 'explain') known.push(...(flags.get('checkpoint') ?? []));
      const given = flagsIn(name === 'run' ? call.replace(/\w+\.js .*/, '') : call);
      expect(
        given.filter((flag) => !known.includes(flag)),
        call,
      ).toEqual([]);
    }
  });

  test('a flag in backticks is one of the command', () => {
    const known = [...global, ...[...flags.values()].flat()];
    // Development has other commands, with flags of their own.
    const users = pages.filter(({ path }) => path === 'README.md' || path.startsWith('docs/'));
    const named = users.flatMap(({ prose }) =>
      codeIn(prose)
        .filter((code) => code.startsWith('--'))
        .flatMap(flagsIn),
    );
    // These show how flags are written.
    const shown = ['flag', 'systemd-cgroup'];
    expect(sorted(named).filter((flag) => !known.includes(flag) && !shown.includes(flag))).toEqual(
      [],
    );
  });
});

describe('names in backticks', () => {
  const sources = readdirSync(join(projectRoot, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join(projectRoot, 'lib', name), 'utf8'))
    .join('\n');
  const words = new Set(sources.match(/\w+/g));
  const named = pages.flatMap(({ prose }) => codeIn(prose));

  test('in camelCase are in the sources of lib/', () => {
    const camel = named.flatMap(
      (code) => /^(?:\w+\.)?([a-z]+[A-Z]\w*)(?:\(.*\))?$/.exec(code)?.[1] ?? [],
    );
    expect(camel.length).toBeGreaterThan(100);
    // Of a certificate, of the tests, and of Node.js.
    const others = [
      'subjectAltName',
      'optionTest',
      'asyncStart',
      'asyncEnd',
      'monitorEventLoopDelay',
    ];
    expect(sorted(camel).filter((name) => !words.has(name) && !others.includes(name))).toEqual([]);
  });

  test('that are called are functions of the package', () => {
    const called = named.flatMap((code) => /^([a-z]\w*)\(.*\)$/.exec(code)?.[1] ?? []);
    const exported = Object.keys(api);
    // Members of what is returned, and functions of Node.js and of the system.
    const others = [
      ...['progress', 'close', 'extract', 'send', 'disconnect', 'ref', 'unref'],
      ...['acquire', 'run', 'release', 'end', 'on'],
      ...['randomUUID', 'randomInt', 'write', 'prlimit'],
    ];
    expect(
      sorted(called).filter((name) => !exported.includes(name) && !others.includes(name)),
    ).toEqual([]);
  });
});
