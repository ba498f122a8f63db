import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, beforeEach, expect, test } from 'vitest';
import { dump, explain, restore } from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { failureOf, rejection } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { run, runOk, until } from '../../helpers/system/exec.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'gcc'));

// No systemd runs here: test/vm has a machine where one does. What is asked of it is looked at here.
const unit = `libcriu-test-${process.pid}.service`;
/** Where systemd would have its cgroups. */
const hierarchy =
  ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup'].find((path) => existsSync(path)) ?? '';
const cgroup = join(hierarchy, unit);
const dropIn = `/run/systemd/system/${unit}.d/zz-libcriu-restore.conf`;

/** Starts what a drop-in says in the cgroup of the unit, as systemd would, and notes its calls. */
const systemctl = (directory: string): string => `#!/bin/sh
echo "$@" >>${directory}/calls
[ "$2" = start ] || exit 0
cp ${dropIn} ${directory}/drop-in
echo $$ >${cgroup}/cgroup.procs
eval "$(sed -n 's/^ExecStart=+//p' ${dropIn})" </dev/null >/dev/null 2>&1
`;

let directory: string;
beforeEach(async () => {
  directory = await scope.directory();
  // The mount namespace is the test's own.
  mkdirSync('/run/systemd', { recursive: true });
  await runOk('mount', ['-t', 'tmpfs', 'libcriu-test', '/run/systemd']);
  scope.defer(() => runOk('umount', ['/run/systemd']));
  mkdirSync('/run/systemd/system');
  const program = join(directory, 'systemctl');
  await writeFile(program, systemctl(directory));
  await chmod(program, 0o755);
  await runOk('mount', ['--bind', program, '/usr/bin/systemctl']);
  scope.defer(() => runOk('umount', ['/usr/bin/systemctl']));
  mkdirSync(cgroup);
  scope.defer(() => until('the cgroup is empty', () => tryRemove(cgroup)));
});

function tryRemove(path: string): boolean {
  try {
    rmdirSync(path);
    return true;
  } catch {
    return false;
  }
}

const calls = (): string[] =>
  readFileSync(join(directory, 'calls'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.replace('--no-ask-password ', ''));

/** A service whose main process was saved and has ended. */
async function savedService(): Promise<{ pid: number; imagePath: string }> {
  const { pid } = await startWorkload(scope, ['idle']);
  writeFileSync(join(cgroup, 'cgroup.procs'), String(pid));
  const imagePath = join(directory, 'images');
  const dumped = await dump({ unit }, { imagePath });
  expect(dumped.pid).toBe(pid);
  expect(dumped.warnings).toEqual([expect.stringContaining(unit)]);
  await until('it has ended', () => !isAlive(pid));
  return { pid, imagePath };
}

optionTest(['unit', 'pidFile'], 'has systemd start the service from its images', async () => {
  const { pid, imagePath } = await savedService();
  const pidFile = join(directory, 'pid');
  const result = await restore(imagePath, { unit, pidFile, logLevel: 4, timeoutMs: 60_000 });
  scope.defer(() => run('kill', ['-KILL', String(pid)]));
  expect(result).toMatchObject({ pid, imagePath, stats: undefined, exited: undefined });
  expect(result.logFile).toBe(join(imagePath, 'restore.log'));
  expect(readFileSync(pidFile, 'utf8')).toBe(`${pid}\n`);
  expect(readFileSync(join(cgroup, 'cgroup.procs'), 'utf8')).toBe(`${pid}\n`);
  expect(calls()).toEqual([
    'daemon-reload',
    `reset-failed ${unit}`,
    `start ${unit}`,
    'daemon-reload',
  ]);
  expect(readFileSync(join(directory, 'drop-in'), 'utf8')).toContain('"--criu-log-level=4"');
  // The next start is the service's own.
  expect(existsSync(dropIn)).toBe(false);
  // It is what it was: it can be found and saved by its name.
  expect(await explain({ unit })).toEqual([expect.objectContaining({ code: 'systemd-unit', pid })]);
});

test('a service that runs is not restored over', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  writeFileSync(join(cgroup, 'cgroup.procs'), String(pid));
  const imagePath = join(directory, 'images');
  await dump({ unit }, { imagePath, leaveRunning: true });
  const error = await failureOf(restore(imagePath, { unit }));
  expect(error).toMatchObject({ code: 'ERR_PROCESS_EXISTS', operation: 'restore' });
  expect(isAlive(pid)).toBe(true);
  expect(existsSync(join(directory, 'calls'))).toBe(false);
});

test('a restore that fails tells why, and takes its drop-in away', async () => {
  const { imagePath } = await savedService();
  await rm(join(imagePath, 'files.img'));
  const error = await failureOf(restore(imagePath, { unit, pidFile: join(directory, 'pid') }));
  expect(error).toMatchObject({ code: 'ERR_RUNTIME_FAILED', operation: 'restore' });
  expect(error.message).toContain(`systemd could not restore ${unit}: CRIU `);
  expect(existsSync(dropIn)).toBe(false);
  expect(existsSync(join(directory, 'pid'))).toBe(false);
  expect(calls().at(-1)).toBe('daemon-reload');
});

test.each([
  ['inheritFd', [{ fd: 1, resource: 'pipe:[1]' }]],
  ['restoreSibling', true],
  ['hooks', {}],
])('%s and unit exclude each other', async (name, value) => {
  const error = await rejection(restore('/nowhere', { unit: 'web', [name]: value }));
  expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' });
  expect(error.message).toContain(`unit and ${name} exclude each other`);
});

test('where there is no systemd that is told', async () => {
  const { imagePath } = await savedService();
  rmdirSync('/run/systemd/system');
  const error = await failureOf(restore(imagePath, { unit }));
  expect(error).toMatchObject({ code: 'ERR_RUNTIME_NOT_FOUND', operation: 'restore' });
});
