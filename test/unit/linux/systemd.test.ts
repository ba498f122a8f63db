import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Procfs } from '../../../lib/linux/procfs.js';
import { unitOf } from '../../../lib/linux/systemd.js';
import { findUnit } from '../../../lib/preflight/checks/unit.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();

describe('the unit of a process', () => {
  test.each([
    ['0::/system.slice/web.service\n', 'web.service'],
    ['0::/system.slice/system-web.slice/web@1.service/worker\n', 'web@1.service'],
    ['0::/user.slice/user-1.slice/user@1.service/app.slice/dbus.service\n', 'dbus.service'],
    ['9:memory:/x.service\n1:name=systemd:/system.slice/web.service\n0::/\n', 'web.service'],
    ['0::/system.slice/a b\\x2dc.service\n', 'a b\\x2dc.service'],
    ['0::/user.slice/user-0.slice/session-3.scope\n', undefined],
    ['0::/system.slice/docker-0123.scope\n', undefined],
    ['9:memory:/system.slice/web.service\n1:name=systemd:/\n', undefined],
    ['0::/services.service.d\n', undefined],
    ['', undefined],
  ])('is told by its cgroups: %j', (text, unit) => {
    expect(unitOf(text)).toBe(unit);
  });

  test('is a notice, unless we are of it as well', async () => {
    const root = await scope.directory();
    const put = (pid: string, unit: string): void => {
      mkdirSync(join(root, pid), { recursive: true });
      writeFileSync(join(root, pid, 'cgroup'), `0::/system.slice/${unit}\n`);
    };
    put('7', 'web.service');
    put('self', 'ssh.service');
    expect(await findUnit(new Procfs(root), 7)).toMatchObject({
      code: 'systemd-unit',
      severity: 'notice',
      subject: 'web.service',
    });
    put('self', 'web.service');
    expect(await findUnit(new Procfs(root), 7)).toBeUndefined();
    expect(await findUnit(new Procfs(root), 8)).toBeUndefined();
  });
});
