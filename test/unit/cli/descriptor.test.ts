import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { isOwnedByNode } from '../../../lib/cli/descriptor.js';
import { bundleModules } from '../../../tools/bundle.mjs';
import { requireNeeds } from '../../helpers/needs.js';
import { Scope } from '../../helpers/scope.js';

const scope = new Scope();
afterAll(() => scope.close());
const directory = await scope.directory();
// Node.js 20 does not run TypeScript.
await bundleModules({ descriptor: 'lib/cli/descriptor.ts' }, directory);
const module = new URL('./descriptor.js', `file://${directory}/`).href;
/** Says of each descriptor that is given whether it is Node's own. */
const program = `
  const { isOwnedByNode } = await import(${JSON.stringify(module)});
  const { readdirSync, readlinkSync } = await import('node:fs');
  const given = process.argv.slice(1).map(Number);
  const open = readdirSync('/proc/self/fd').map(Number).filter((fd) => fd > 2 && fd < 30 && !given.includes(fd));
  const own = open.filter((fd) => {
    try { return /^(pipe|anon_inode):/.test(readlinkSync('/proc/self/fd/' + fd)); } catch {}
  });
  console.log(JSON.stringify({ given: given.map(isOwnedByNode), own: own.map(isOwnedByNode) }));`;

async function judge(
  shell: string,
  fds: readonly number[],
): Promise<{ given: boolean[]; own: boolean[] }> {
  // The inner quotes are the shell's, which has the text of the program as $2.
  const node = `"$1" --input-type=module -e "$2" -- ${fds.join(' ')}`;
  const { stdout } = await promisify(execFile)('bash', [
    '-c',
    shell.replace('NODE', node),
    'bash',
    process.execPath,
    program,
  ]);
  return JSON.parse(stdout) as { given: boolean[]; own: boolean[] };
}

/** Bash's child has the pipe as its standard input a moment after its start. */
const untilThere = 'until [ -p /proc/$!/fd/0 ]; do :; done';

describe('isOwnedByNode', () => {
  test.each<[string, string, readonly number[]]>([
    ['a file', 'NODE 9>/dev/null', [9]],
    ['the writing end of a pipe', 'NODE 9> >(cat >/dev/null)', [9]],
    ['a pipe whose reading end the shell has, too', 'exec 8<> <(:) 9>&8; NODE; :', [8, 9]],
    [
      'both ends of a pipe in numbers that Node would take next',
      `exec 3> >(exec sleep 9 >/dev/null); ${untilThere}; exec 4</proc/$!/fd/0; NODE; kill $!`,
      [3, 4],
    ],
    [
      'both ends of a pipe in high numbers',
      `exec 203> >(exec sleep 9 >/dev/null); ${untilThere}; exec 202</proc/$!/fd/0; NODE; kill $!`,
      [202, 203],
    ],
  ])('is false for %s', async (_name, shell, fds) => {
    requireNeeds('build');
    const { given, own } = await judge(shell, fds);
    expect(given).toEqual(fds.map(() => false));
    // Of the same process its own are told apart.
    expect(own.length).toBeGreaterThan(4);
    expect(own).not.toContain(false);
  });

  test('is false for a descriptor that is not open', () => {
    expect(isOwnedByNode(9999)).toBe(false);
  });
});
