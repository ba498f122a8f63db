import { existsSync } from 'node:fs';
import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { FindingCode } from '../../../lib/base/finding.js';
import { explain } from '../../../lib/explain.js';
import { checkpoint, dump, restore } from '../../helpers/api.js';
import { dumpOk } from '../../helpers/criu/attempt.js';
import { requireNeeds } from '../../helpers/needs.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { run, until } from '../../helpers/system/exec.js';
import { isAlive } from '../../helpers/system/process.js';
import { startContainer, withoutChildren } from '../../helpers/workloads/container.js';
import { startSituation } from '../../helpers/workloads/situation.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'gcc', 'runc', 'busybox', 'build'));

const start = (mode: string) => startSituation(scope, [mode], 'ignore', 'unrestorable');

const lost: readonly (readonly [mode: string, code: FindingCode])[] = [
  ['deadline', 'scheduling-policy'],
  ['deadline-thread', 'scheduling-policy'],
  ['own-directory', 'proc-file'],
  ['childs-directory', 'proc-file'],
  ['threads-file', 'proc-file'],
  ['dead-threads-file', 'proc-file'],
  ['higher-descriptors-file', 'proc-file'],
  ['closed-descriptors-file', 'proc-file'],
  ['accepted-by-others', 'unix-in-flight'],
  ['sealed-mapping', 'sealed-mapping'],
  ['all-sealed-mapping', 'sealed-mapping'],
];

const kept: readonly string[] = [
  'batch',
  'dead-ones-directory',
  'task-directory',
  'own-status',
  'dead-ones-status',
  'lower-descriptors-file',
  'duplicates-file',
  'accepted-by-nobody',
  'private-sealed-mapping',
  'mapping-sealed-in-size',
  'in-flight-file',
  'in-flight-pipe-closed',
  'in-flight-memory',
  'in-flight-socket-datagram',
  'in-flight-file-datagram-closed',
];

describe('a process that CRIU saves and cannot restore', () => {
  test.each(lost)('is not ended: %s', async (mode, code) => {
    const { pid } = await start(mode);
    const findings = await explain(pid);
    expect(findings).toMatchObject([{ code, severity: 'not-restorable', pid }]);
    const imagePath = join(await scope.directory(), 'images');
    const refused = await failureOf(dump(pid, { imagePath }));
    expect(refused).toMatchObject({ code: 'ERR_NOT_RESTORABLE', stage: 'process', findings });
    expect(refused.message).toContain(findings[0]?.message);
    expect(existsSync(imagePath)).toBe(false);
    expect(isAlive(pid)).toBe(true);
    await dumpOk(scope, pid, { leaveRunning: true });
    // That it cannot be restored is CRIU's own word.
    await dump(pid, { imagePath, allowUnrestorable: true });
    await until('the process has ended', () => !isAlive(pid));
    expect(await failureOf(restore(imagePath))).toMatchObject({ code: 'ERR_CRIU_FAILED' });
  });

  test.each(kept)('is told from one that comes back: %s', async (mode) => {
    const { pid } = await start(mode);
    expect(await explain(pid)).toEqual([]);
    const imagePath = join(await scope.directory(), 'images');
    await dump(pid, { imagePath });
    await until('the process has ended', () => !isAlive(pid));
    await restore(imagePath);
    expect(isAlive(pid)).toBe(true);
    process.kill(-pid, 'SIGKILL');
  });
});

describe('a container', () => {
  test.each(['replaced', 'removed'])(
    'is not ended when a file bound into it was %s',
    async (how) => {
      const source = join(await scope.directory(), 'source');
      await writeFile(source, 'one');
      const container = await startContainer(scope, {
        args: withoutChildren,
        configure: ({ mounts }) => {
          mounts.push({ destination: '/bound', type: 'bind', source, options: ['bind'] });
        },
      });
      const { id, stateRoot, pid } = container;
      expect(await explain(id, { stateRoot })).toEqual([]);
      if (how === 'removed') await rm(source);
      else {
        await writeFile(`${source}.new`, 'two');
        await rename(`${source}.new`, source);
      }
      const findings = await explain(id, { stateRoot });
      expect(findings).toMatchObject([
        { code: 'mount-deleted', severity: 'not-restorable', pid, subject: '/bound' },
      ]);
      const refused = await failureOf(
        checkpoint(id, { stateRoot, imagePath: container.path('images') }),
      );
      expect(refused).toMatchObject({ code: 'ERR_NOT_RESTORABLE', operation: 'checkpoint' });
      expect(isAlive(pid)).toBe(true);
    },
  );

  test('is saved without what was started beside its init, which is named', async () => {
    const container = await startContainer(scope, { args: withoutChildren });
    const { id, stateRoot } = container;
    const args = ['--root', stateRoot, 'exec', '-d', id, '/bin/sleep', '1000'];
    await run('runc', args, { stdio: 'ignore' });
    const found = await until('the second process', async () => {
      const findings = await explain(id, { stateRoot });
      // Until it has begun with its program it is runc, and has what that has open.
      return findings.some(({ subject }) => subject === 'sleep') ? findings : undefined;
    });
    expect(found).toMatchObject([{ code: 'task-left-out', severity: 'notice', subject: 'sleep' }]);
    const imagePath = container.path('images');
    const { warnings } = await checkpoint(id, { stateRoot, imagePath });
    expect(warnings).toEqual(found.map(({ message }) => message));
  });
});
