import { closeSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect } from 'vitest';
import { restore } from '../../helpers/api.js';
import { fieldsReceived } from '../../helpers/criu/attempt.js';
import { dumpAway, restoreOk } from '../../helpers/criu/restored.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { useScope } from '../../helpers/scope.js';
import { until } from '../../helpers/system/exec.js';
import { startWorkload } from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'rpc.proto', 'gcc', 'strace', 'protoc'));

optionTest('inheritFd', 'tasks get descriptors of this process', async () => {
  const directory = await scope.directory();
  const [log, other] = [join(directory, 'log'), join(directory, 'other')];
  const counter = await startWorkload(scope, ['count', log, 5000]);
  const imagePath = await dumpAway(scope, counter);
  const written = readFileSync(log, 'utf8');
  const fd = openSync(other, 'a');
  await restoreOk(scope, imagePath, { inheritFd: [{ fd, resource: log.slice(1) }] });
  // Ours was only lent.
  closeSync(fd);
  const lines = (): string[] => readFileSync(other, 'utf8').split('\n').slice(0, -1);
  await until('it writes into the other file', () => lines().length > 3);
  expect(readFileSync(log, 'utf8')).toBe(written);
  const last = Number(written.trim().split('\n').at(-1)?.split(' ')[0]);
  expect(Number(lines()[0]?.split(' ')[0])).toBe(last + 1);
});

optionTest('joinNs', 'tasks come back in another namespace', async () => {
  const idle = await startWorkload(scope, ['idle']);
  const holder = await startWorkload(scope, ['netns']);
  const imagePath = await dumpAway(scope, idle);
  const path = `/proc/${holder.pid}/ns/net`;
  const { pid } = await restoreOk(scope, imagePath, { joinNs: [{ type: 'net', path }] });
  expect(readlinkSync(`/proc/${pid}/ns/net`)).toBe(readlinkSync(path));
  expect(readlinkSync(`/proc/${pid}/ns/net`)).not.toBe(readlinkSync('/proc/self/ns/net'));
});

// Profiles need a kernel with AppArmor or SELinux, old images an old CRIU.
optionTest(
  ['lsmProfile', 'lsmMountContext', 'mntnsCompatMode'],
  'reach CRIU in a restore',
  async () => {
    const idle = await startWorkload(scope, ['idle']);
    const imagePath = await dumpAway(scope, idle);
    const options = {
      lsmProfile: 'apparmor:some_profile',
      lsmMountContext: 'system_u:object_r:container_file_t:s0',
      mntnsCompatMode: true,
    };
    const restored = fieldsReceived(
      scope,
      async (criu) => {
        // The kernel here may have neither.
        await restore(imagePath, { criu, restoreSibling: true, ...options }).then(
          async ({ pid, exited }) => {
            process.kill(pid, 'SIGKILL');
            await exited;
          },
          () => {},
        );
      },
      'RESTORE',
    );
    expect(await restored).toMatchObject({
      lsm_profile: ['apparmor:some_profile'],
      lsm_mount_context: ['system_u:object_r:container_file_t:s0'],
      mntns_compat_mode: ['true'],
      rst_sibling: ['true'],
    });
  },
);
