import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { distCli } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';
import { startWorkload } from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'gcc', 'strace'));

test('a command that ends with its dump keeps no criu ready for another', async () => {
  const { pid } = await startWorkload(scope, ['idle']);
  const directory = await scope.directory();
  const trace = join(directory, 'trace');
  const dump = [distCli, 'dump', '--leave-running', '--image-path', join(directory, 'images')];
  await runOk('strace', [
    ...['-f', '-qq', '-e', 'trace=execve', '-e', 'signal=none', '-o', trace],
    ...[process.execPath, ...dump, String(pid)],
  ]);
  const started = readFileSync(trace, 'utf8').match(/execve\("[^"]*\/criu", .*"swrk"/g) ?? [];
  // One tells its version, while the other gets ready for the dump.
  expect(started).toHaveLength(2);
});
