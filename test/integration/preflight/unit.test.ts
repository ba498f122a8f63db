import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { explain } from '../../../lib/explain.js';
import { dump } from '../../helpers/api.js';
import { requireNeeds } from '../../helpers/needs.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'gcc'));

/** The hierarchy that systemd would use here: its own, or the unified one. */
const hierarchy = ['/sys/fs/cgroup/systemd', '/sys/fs/cgroup'].find(existsSync) ?? '';

test('a process of a service of systemd is saved, and what becomes of the service is told', async () => {
  const unit = `libcriu-test-${process.pid}.service`;
  const cgroup = join(hierarchy, unit);
  mkdirSync(cgroup);
  scope.defer(() => until('the cgroup is empty', () => tryRemove(cgroup)));
  const { pid } = await startWorkload(scope, ['idle']);
  expect(await explain(pid)).toEqual([]);
  writeFileSync(join(cgroup, 'cgroup.procs'), String(pid));
  const [finding, ...others] = await explain(pid);
  expect(others).toEqual([]);
  expect(finding).toMatchObject({ code: 'systemd-unit', severity: 'notice', pid, subject: unit });
  const directory = await scope.directory();
  const running = await dump(pid, { imagePath: join(directory, 'one'), leaveRunning: true });
  expect(running.warnings).toEqual([]);
  const ended = await dump(pid, { imagePath: join(directory, 'two') });
  expect(ended.warnings).toEqual([finding?.message]);
  await until('it has ended', () => !isAlive(pid));
});

function tryRemove(cgroup: string): boolean {
  try {
    rmdirSync(cgroup);
    return true;
  } catch {
    return false;
  }
}
