import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { examples, namesIn, table } from '../../helpers/markdown.js';
import { projectRoot } from '../../helpers/paths.js';
import { Scope } from '../../helpers/scope.js';
import { run } from '../../helpers/system/exec.js';

/** Members of every error, but for the cause; and those that the packed types do not have. */
const ofErrors = "'name' | 'message' | 'stack'";
const internal = "'sentence' | 'with'";

/** The tables that list the members of a type: page, heading, number of the table below it, keys. */
const members: readonly (readonly [string, string, number, string])[] = [
  ['docs/checkpoint.md', 'Result', 0, 'keyof CheckpointResult'],
  ['docs/checkpoint.md', 'Result', 1, 'keyof DumpStats'],
  ['docs/checkpoint.md', 'Result', 2, 'keyof DumpTimings'],
  ['docs/checkpoint.md', 'Progress', 0, 'keyof DumpProgress'],
  ['docs/criu.md', 'The class `Criu`', 0, 'keyof CriuSettings'],
  ['docs/criu.md', 'Asking CRIU', 0, 'keyof CriuVersion'],
  ['docs/criu.md', 'Asking CRIU', 1, 'keyof CriuFeatures'],
  ['docs/errors.md', 'Misuse', 1, `Exclude<keyof InvalidArgValueError, keyof Error | ${internal}>`],
  ['docs/errors.md', '`CriuError`', 0, `Exclude<keyof CriuError, ${ofErrors} | ${internal}>`],
  ['docs/errors.md', 'Stages', 0, 'Stage'],
  ['docs/hooks.md', 'Hooks', 0, 'keyof HookEvent'],
  ['docs/iterate.md', 'Options', 0, "Exclude<keyof IterateSettings, 'imagePath' | 'preDumpMode'>"],
  ['docs/iterate.md', 'A round', 0, 'keyof IterationRound'],
  ['docs/iterate.md', 'Result', 0, 'keyof IterationResult'],
  ['docs/migration.md', 'Stop and copy, with a page server', 0, 'keyof PageServerResult'],
  ['docs/migration.md', 'Lazy migration', 0, 'keyof LazyPagesResult'],
  ['docs/preflight.md', 'Findings', 0, `Exclude<keyof Finding, ${internal}>`],
  ['docs/restore.md', 'Result', 0, 'keyof RestoreResult'],
  ['docs/restore.md', 'Result', 1, 'keyof RestoreStats'],
  ['docs/restore.md', 'Result', 2, 'keyof RestoreTimings'],
  ['docs/restore.md', 'Containers', 0, 'keyof RestoreContainerResult'],
  ['docs/self.md', 'A process that checkpoints itself', 0, 'keyof SelfCheckpoint'],
];

/** A program that compiles if the keys and the names of the table are the same. */
function comparison([path, heading, index, keys]: (typeof members)[number]): string {
  const types = [...keys.matchAll(/\b[A-Z]\w+/g)].flatMap(([type]) =>
    type === 'Exclude' || type === 'Error' ? [] : type,
  );
  const names = namesIn(table(path, heading, index)).map((name) => `  ${name}: true,\n`);
  return (
    `import type { ${types.join(', ')} } from 'libcriu';\n` +
    `export const documented: Record<${keys}, true> = {\n${names.join('')}};\n`
  );
}

const programs = [
  ...examples,
  ...members.map((one) => ({
    name: `${one[0]}, ${one[1]}, table ${one[2]}`,
    text: comparison(one),
  })),
];

// All are compiled at once, against the sources: a compilation takes seconds.
describe('with the types of lib/index.ts', () => {
  const errors = new Map<number, string[]>();
  const others: string[] = [];

  beforeAll(async () => {
    const scope = new Scope();
    const directory = await scope.directory();
    await writeFile(join(directory, 'package.json'), '{ "type": "module" }');
    await writeFile(
      join(directory, 'tsconfig.json'),
      JSON.stringify({
        extends: join(projectRoot, 'tsconfig.json'),
        compilerOptions: {
          rootDir: '/',
          noEmit: true,
          isolatedDeclarations: false,
          noUnusedLocals: false,
          skipLibCheck: true,
          typeRoots: [join(projectRoot, 'node_modules/@types')],
          paths: { libcriu: [join(projectRoot, 'lib/index.ts')] },
        },
        include: ['program-*.ts'],
      }),
    );
    for (const [index, { text }] of programs.entries()) {
      await writeFile(join(directory, `program-${index}.ts`), text);
    }
    const tsc = join(projectRoot, 'node_modules/.bin/tsc');
    const { stdout } = await run(tsc, ['--pretty', 'false', '-p', directory]);
    for (const line of stdout.split('\n').filter((text) => /^\S.*error TS/.test(text))) {
      const number = Number(/program-(\d+)\.ts/.exec(line)?.[1] ?? Number.NaN);
      if (Number.isNaN(number)) others.push(line);
      else errors.set(number, [...(errors.get(number) ?? []), line]);
    }
    return () => scope.close();
  }, 60_000);

  test('nothing but the programs has errors', () => {
    expect(others).toEqual([]);
  });

  test.each(programs.map(({ name }, index) => ({ name, index })))('$name compiles', ({ index }) => {
    expect(errors.get(index) ?? []).toEqual([]);
  });
});

test('every page about a function has an example', () => {
  expect(examples.length).toBeGreaterThan(20);
});
