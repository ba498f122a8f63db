import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, createReadStream, writeSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { dumpAway, restoreFails, restoreOk } from '../../helpers/criu/restored.js';
import { requireNeeds } from '../../helpers/needs.js';
import { projectRoot } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { allProcesses, reportIn } from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'script'));

/** A program in a session and on a terminal of its own, whose other end is this test's. */
function startOnTerminal(...command: string[]): { script: ChildProcess; shown: () => string } {
  const script = spawn('script', ['-qec', `exec ${command.join(' ')}`, '/dev/null'], {
    detached: true,
  });
  let text = '';
  script.stdout.setEncoding('utf8').on('data', (more: string) => {
    text += more;
  });
  scope.defer(() => script.kill('SIGKILL'));
  return { script, shown: () => text };
}

test("a shell's job goes on in the session and on the terminal of the shell", async () => {
  const directory = await scope.directory();
  const report = join(directory, 'report');
  const shell = resolve(projectRoot, 'test/helpers/children/shell-job.mjs');
  const { script, shown } = startOnTerminal(process.execPath, shell, join(directory, 'i'), report);
  const ended = new Promise((settle) => script.once('close', settle));
  const text = await until('the job is back', () => reportIn(report), 20_000);
  const { own, before, after } = JSON.parse(text) as Record<
    string,
    { group: string; session: string; terminal: string }
  >;
  expect(after).toEqual(before);
  expect(after).toEqual(own);
  script.stdin?.write('hello\n');
  // Once by the terminal, once by the job.
  await until('the job answers', () => shown().split('hello').length > 2);
  script.stdin?.write('\x04'); // the end of its input
  expect(await ended).toBe(0);
});

test('orphanPtsMaster gets the other end of a terminal', async () => {
  const { script, shown } = startOnTerminal('cat');
  const find = (): number | undefined =>
    allProcesses().find(({ name, parent }) => name === 'cat' && parent === script.pid)?.pid;
  const pid = await until('it has started', find);
  script.stdin?.write('one\n');
  await until('it answers', () => shown().split('one').length > 2);
  const gone = new Promise<void>((settle) => script.once('close', () => settle()));
  const imagePath = await dumpAway(scope, { pid, gone }, { shellJob: true });
  // Without a terminal of ours, or somebody who takes the master, there is none for it.
  expect((await restoreFails(imagePath)).code).toBe('ERR_CRIU_FAILED');
  let master = -1;
  // When the task, which may be read from, is gone.
  scope.defer(() => closeSync(master));
  await restoreOk(scope, imagePath, {
    hooks: {
      orphanPtsMaster({ hook, fd }) {
        expect(hook).toBe('orphanPtsMaster');
        master = fd;
      },
    },
  });
  let text = '';
  const stream = createReadStream('', { fd: master, autoClose: false, encoding: 'utf8' });
  stream.on('data', (more) => {
    text += more;
  });
  stream.on('error', () => {});
  writeSync(master, 'two\n');
  await until('it answers', () => text.split('two').length > 2);
});
