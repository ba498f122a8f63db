import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Finding } from '../../../lib/base/finding.js';
import { requireNeeds } from '../../helpers/needs.js';
import { distCli, distIndex } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { run, until } from '../../helpers/system/exec.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'setpriv', 'build'));

/** A process that sleeps, started by what is given. */
async function sleeper(...by: readonly string[]): Promise<number> {
  const [file = '', ...args] = [...by, 'sleep', '1000'];
  const child: ChildProcess = spawn(file, args, { detached: true, stdio: 'ignore', cwd: '/' });
  scope.defer(() => void child.kill('SIGKILL'));
  const { pid = 0 } = child;
  await until('it sleeps', () => readFileSync(`/proc/${pid}/comm`, 'utf8') === 'sleep\n');
  return pid;
}

const without = (capability: string): string[] => [
  ...['setpriv', '--bounding-set', `-${capability}`, '--inh-caps', `-${capability}`],
];
const asAlice = ['setpriv', '--reuid=1000', '--regid=1000', '--clear-groups'];

/** What `libcriu explain` finds when it is started by what is given. */
async function findingsOf(
  by: readonly string[],
  pid: number,
  env = {},
  flags: readonly string[] = [],
): Promise<Finding[]> {
  const explain = [process.execPath, distCli, 'explain', '--format=json', `--pid=${pid}`, ...flags];
  const [file = '', ...args] = [...by, ...explain];
  const { stdout } = await run(file, args, { env: { ...process.env, ...env } });
  return JSON.parse(stdout) as Finding[];
}

describe('explain finds that this process lacks', () => {
  test.each<[string, string[], boolean]>([
    ['sys_resource', asAlice, true],
    ['sys_resource', ['setpriv', '--regid=50', '--clear-groups'], true],
    ['sys_resource', ['env'], false],
    ['sys_chroot', ['unshare', '--mount'], true],
    ['sys_chroot', ['env'], false],
    ['net_admin', ['unshare', '--net'], true],
    ['net_admin', ['env'], false],
  ])('the capability %s for a process by %j: %s', async (capability, by, isNeeded) => {
    const subject = `CAP_${capability.toUpperCase()}`;
    const found = await findingsOf(without(capability), await sleeper(...by));
    const about = found.filter((finding) => finding.subject === subject);
    expect(about).toHaveLength(isNeeded ? 1 : 0);
    if (isNeeded) expect(about).toMatchObject([{ code: 'capability', severity: 'fails' }]);
  });

  test('the right to write files as large as the memory', async () => {
    const pid = await sleeper('env');
    const limited = (blocks: string) => ['sh', '-c', `ulimit -f ${blocks}; exec "$@"`, 'sh'];
    const [finding] = await findingsOf(limited('8'), pid);
    expect(finding).toMatchObject({ code: 'file-size-limit', severity: 'fails' });
    expect(finding?.message).toContain('ulimit -f unlimited');
    expect(await findingsOf(limited('unlimited'), pid)).toEqual([]);
  });

  test('the program tar for a tmpfs of the tree, and for no other', async () => {
    const empty = await scope.directory();
    await mkdir(join(empty, 'bin'));
    const inside = await sleeper('unshare', '--mount');
    const missing = (found: readonly Finding[]) => found.filter(({ subject }) => subject === 'tar');
    const env = { PATH: join(empty, 'bin') };
    const system = ['--tar=system'];
    expect(missing(await findingsOf([], inside, env, system))).toMatchObject([
      { code: 'program-missing', severity: 'needs-option', option: 'tar', value: 'native' },
    ]);
    expect(missing(await findingsOf([], inside, env))).toEqual([]);
    expect(missing(await findingsOf([], inside, {}, system))).toEqual([]);
    expect(missing(await findingsOf([], await sleeper('env'), env, system))).toEqual([]);
  });
});

test('a dump that fails for want of a capability has it in its error', async () => {
  const pid = await sleeper(...asAlice);
  const imagePath = join(await scope.directory(), 'images');
  const script = `import(${JSON.stringify(distIndex)})
    .then(({ dump }) => dump(${pid}, ${JSON.stringify({ imagePath, leaveRunning: true })}))
    .catch(({ message }) => console.log(message))`;
  const [file = '', ...args] = [...without('sys_resource'), process.execPath, '-e', script];
  const { stdout } = await run(file, args);
  expect(stdout).toMatch(/lacks CAP_SYS_RESOURCE, .* process \d+.* give it that capability/);
});

test.each([['--no-addons'], ['--experimental-permission', '--allow-fs-read=*']])(
  'a Node.js that loads no addons is told by %s',
  async (...flags) => {
    const script = `import(${JSON.stringify(distIndex)})
      .then(({ version }) => version())
      .catch(({ code, message }) => console.log(code, message))`;
    const { stdout } = await run(process.execPath, [...flags, '-e', script]);
    expect(stdout).toMatch(/^ERR_CRIU_ADDON_NOT_FOUND .*--no-addons.*--allow-addons/);
  },
);
