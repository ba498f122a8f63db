import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { requireNeeds } from '../helpers/needs.js';
import { nativeDirectory } from '../helpers/paths.js';
import { useScope } from '../helpers/scope.js';
import { runOk } from '../helpers/system/exec.js';

const scope = useScope();
beforeAll(() => requireNeeds('build', 'strace'));

/** Starts a spare, which says which descriptors it has been given, and waits until it has said so. */
const program = `
  const { existsSync, readdirSync } = require('node:fs');
  const [addonFile, binary, answer] = process.argv.slice(1);
  const addon = require(addonFile);
  const standby = addon.createStandby(1);
  const before = readdirSync('/proc/self/fd');
  addon.prepare(standby, { binary, environment: ['PATH=/usr/bin:/bin'] });
  const timer = setInterval(async () => {
    if (!existsSync(answer)) return;
    clearInterval(timer);
    // Our own table is as it was: what we have inherited is still open here.
    console.log(before.includes('9'), readdirSync('/proc/self/fd').includes('9'));
    await addon.close(standby);
  }, 10);`;

test.each([
  ['', []],
  [
    ', on a kernel without close_range()',
    ['-e', 'inject=close_range:error=ENOSYS', '-e', 'trace=close_range'],
  ],
  [
    ', in a sandbox that forbids it',
    ['-e', 'inject=close_range:error=EPERM', '-e', 'trace=close_range'],
  ],
])('what Node.js has inherited does not reach what we start%s', async (_, trace) => {
  const directory = await scope.directory();
  const [binary, answer] = [join(directory, 'lists'), join(directory, 'answer')];
  writeFileSync(
    binary,
    `#!/bin/sh\nls /proc/$$/fd >${answer}.draft; mv ${answer}.draft ${answer}; exec sleep 60\n`,
    { mode: 0o755 },
  );
  const node = [process.execPath, '-e', program, join(nativeDirectory, 'criu_native.node')];
  const command = [...node, binary, answer];
  const traced = ['strace', '-f', '-qq', '-o', join(directory, 'trace'), ...trace, ...command];
  const [file = '', ...args] = trace.length === 0 ? command : traced;
  // Node.js makes all that it opens CLOEXEC but the standard streams of a child: so a shell hands it on.
  const shell = ['-c', 'exec 9</dev/null; exec "$@"', 'sh', file, ...args];
  expect(await runOk('/bin/sh', shell)).toBe('true true\n');
  // The standard streams and the socket to us. The shell's own are above.
  const numbers = readFileSync(answer, 'utf8').trim().split('\n').map(Number);
  expect(numbers.filter((number) => number < 10).sort()).toEqual([0, 1, 2, 3]);
  if (trace.length > 0) {
    expect(readFileSync(join(directory, 'trace'), 'utf8')).toMatch(/close_range\(.*INJECTED/);
  }
});

test('a program is run with the umask, the session and the standard streams that are meant', async () => {
  const directory = await scope.directory();
  const run = `
    const addon = require(process.argv[1]);
    process.umask(0o027);
    const sh = (script, ...args) =>
      addon.runProgram('/bin/sh', ['name', '-c', script, ...args], ['PATH=/usr/bin:/bin', 'A=b c']);
    (async () => {
      const told = [await sh('umask >"$0"; ls -l /proc/$$/fd | grep -c /dev/null >>"$0"; ' +
        'echo "$A" >>"$0"; cut -d" " -f6 /proc/$$/stat >>"$0"; exit 7', process.argv[2])];
      told.push(await sh('kill -TERM $$'));
      try {
        addon.runProgram('/none', ['none'], []);
      } catch ({ stage, errno }) {
        told.push({ stage, errno });
      }
      const session = require('fs').readFileSync('/proc/self/stat', 'utf8').split(' ')[5];
      console.log(JSON.stringify({ told, session }));
    })();`;
  const file = join(directory, 'told');
  const addon = join(nativeDirectory, 'criu_native.node');
  const { told, session } = JSON.parse(await runOk(process.execPath, ['-e', run, addon, file]));
  expect(told).toEqual([
    { code: 7, signal: 0 },
    { code: 0, signal: 15 },
    { stage: 'run', errno: 2 },
  ]);
  expect(readFileSync(file, 'utf8').split('\n')).toEqual(['0027', '3', 'b c', session, '']);
});
