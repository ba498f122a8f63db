// Where engines are measured and tested beside this machine's.
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { requireNeeds } from '../../helpers/needs.js';
import { projectRoot } from '../../helpers/paths.js';
import { run } from '../../helpers/system/exec.js';

beforeAll(() => requireNeeds('root'));

const script = resolve(projectRoot, 'tools/own-cgroups.sh');
const namespaces = ['--pid', '--fork', '--kill-child', '--mount', '--mount-proc'];

/** The cgroups that the script makes. */
function ownCgroups(): string[] {
  const hierarchies = readdirSync('/sys/fs/cgroup', { withFileTypes: true });
  return hierarchies
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => readdirSync(join('/sys/fs/cgroup', name)))
    .filter((name) => name.startsWith('libcriu-engines-'));
}

test('a command gets cgroups of its own, which end with it though a task in them is frozen', async () => {
  // Of cgroup v2 there are none of its own, and a frozen task can be killed.
  const frozen = `
    set -e
    "$1" /sys/fs/cgroup
    if [ -d /sys/fs/cgroup/freezer ]; then
      mkdir /sys/fs/cgroup/freezer/made
      sleep 600 &
      echo $! >/sys/fs/cgroup/freezer/made/cgroup.procs
      echo FROZEN >/sys/fs/cgroup/freezer/made/freezer.state
      grep -q FROZEN /sys/fs/cgroup/freezer/made/freezer.state
    fi
    exit 7`;
  const before = ownCgroups();
  const command = [
    script,
    'sh',
    '-c',
    frozen,
    'sh',
    resolve(projectRoot, 'tools/mount-cgroups.sh'),
  ];
  const { code, stderr } = await run('unshare', [...namespaces, ...command]);
  expect(stderr).toBe('');
  expect(code).toBe(7);
  expect(ownCgroups()).toEqual(before);
});
