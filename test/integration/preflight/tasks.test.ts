import { readdirSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import { explain } from '../../../lib/explain.js';
import { dumpFails, dumpOk } from '../../helpers/criu/attempt.js';
import { isFatal } from '../../helpers/criu/findings.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { run, until } from '../../helpers/system/exec.js';
import { linkTarget } from '../../helpers/system/link.js';
import { commandLine, reachesState, startWorkload } from '../../helpers/system/process.js';
import { startContainer } from '../../helpers/workloads/container.js';
import { startSituation } from '../../helpers/workloads/situation.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'gcc', 'runc', 'busybox', 'setpriv', 'build'),
);

describe('explain finds', () => {
  test('a task that is traced', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    await startSituation(scope, ['tracer', pid]);
    await isFatal(scope, pid, { code: 'task-traced', pid });
  });

  test('a task in uninterruptible sleep, until its vfork child is done', async () => {
    const { pid } = await startSituation(scope, ['vfork']);
    await reachesState(pid, 'D');
    await isFatal(scope, pid, { code: 'task-uninterruptible', pid }, { timeoutMs: 1_000 });
  });

  test('a zombie, as a notice', async () => {
    const {
      pid,
      numbers: [zombie],
    } = await startSituation(scope, ['zombie']);
    expect(await explain(pid)).toMatchObject([{ code: 'zombie', severity: 'notice', pid: zombie }]);
    await dumpOk(scope, pid);
  });

  test('a task whose first thread has ended', async () => {
    const { pid } = await startSituation(scope, ['headless']);
    await isFatal(scope, pid, { code: 'zombie', pid });
  });

  test('a task with a namespace of its own inside of the tree', async () => {
    for (const type of ['ipc', 'uts']) {
      const {
        pid,
        numbers: [child],
      } = await startSituation(scope, ['nested', type]);
      const message = await isFatal(scope, pid, { code: 'namespace-nested', pid: child ?? 0 });
      expect(message).toContain(type);
    }
  });

  test('a task that is not the init of its pid namespace', async () => {
    const container = await startContainer(scope);
    const { stateRoot, id } = container;
    const args = ['--root', stateRoot, 'exec', '-d', id, '/bin/sleep', '1000'];
    await run('runc', args, { stdio: 'ignore' });
    const pid = await until('the second process', () =>
      readdirSync('/proc')
        .map(Number)
        .find(
          (other) =>
            other !== container.pid &&
            linkTarget(`/proc/${other}/ns/pid`) === linkTarget(`/proc/${container.pid}/ns/pid`) &&
            /sleep.1000/.test(commandLine(other)),
        ),
    );
    const findings = await explain(pid);
    expect(findings.map(({ code }) => code)).toContain('namespace-init');
    await dumpFails(scope, pid);
  });

  test('that the process is this very one', async () => {
    const findings = await explain(process.pid);
    expect(findings).toContainEqual(expect.objectContaining({ code: 'self', severity: 'fails' }));
  });
});
