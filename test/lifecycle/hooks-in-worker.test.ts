import { beforeAll, expect, test } from 'vitest';
import { requireNeeds } from '../helpers/needs.js';
import { projectRoot } from '../helpers/paths.js';
import { useScope } from '../helpers/scope.js';
import { run } from '../helpers/system/exec.js';
import { isAlive, reachesState, startWorkload } from '../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'gcc'));

test('a hook that ends its worker thread ends nothing else', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const directory = await scope.directory();
  const program = `
    import { Worker } from 'node:worker_threads';
    const code = \`
      import { dump } from 'file://${projectRoot}/dist/index.js';
      await dump(${pid}, {
        imagePath: '${directory}/images',
        leaveRunning: true,
        hooks: { preDump: () => process.exit(3) },
      });\`;
    const worker = new Worker(new URL('data:text/javascript,' + encodeURIComponent(code)));
    const exitCode = await new Promise((resolve) => worker.on('exit', resolve));
    console.log('worker', exitCode);`;
  const { code, stdout } = await run(process.execPath, ['--input-type=module', '-e', program]);
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'worker 3\n' });
  expect(isAlive(pid)).toBe(true);
  await reachesState(pid, 'S');
});

test('timeoutMs bounds a hook that never settles, whatever the garbage collector does', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const directory = await scope.directory();
  const program = `
    import { dump } from 'file://${projectRoot}/dist/index.js';
    const collecting = setInterval(() => gc(), 20);
    const error = await dump(${pid}, {
      imagePath: '${directory}/images',
      leaveRunning: true,
      timeoutMs: 500,
      signal: new AbortController().signal,
      hooks: { postDump: () => new Promise(() => {}) },
    }).catch((reason) => reason);
    clearInterval(collecting);
    console.log(error.code);`;
  const { stdout } = await run(process.execPath, [
    '--expose-gc',
    '--input-type=module',
    '-e',
    program,
  ]);
  expect(stdout).toBe('ERR_CRIU_TIMEOUT\n');
  expect(isAlive(pid)).toBe(true);
});
