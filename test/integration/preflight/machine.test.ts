import { existsSync, readFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Finding } from '../../../lib/base/finding.js';
import { explain } from '../../../lib/explain.js';
import { inspect } from '../../../lib/preflight/inspect.js';
import { Criu, dump } from '../../helpers/api.js';
import { dumpFails } from '../../helpers/criu/attempt.js';
import { requireNeeds } from '../../helpers/needs.js';
import { criuBinary, distCli, distIndex } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { type Outcome, run, runOk } from '../../helpers/system/exec.js';
import { mountTmpfs } from '../../helpers/system/mounts.js';
import { freePort } from '../../helpers/system/port.js';
import { isAlive, startWorkload } from '../../helpers/system/process.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'gcc', 'runc', 'busybox', 'setpriv', 'build'),
);

describe('explain finds', () => {
  /** Runs the command, or a dump by the package, as root without a capability. */
  async function without(capability: string, ...args: string[]): Promise<Outcome> {
    const lacking = ['--bounding-set', `-${capability}`, '--inh-caps', `-${capability}`];
    return run('setpriv', [...lacking, process.execPath, ...args]);
  }

  async function capabilityFinding(capability: string, pid: number): Promise<Finding | undefined> {
    const { stdout } = await without(
      capability,
      distCli,
      'explain',
      '--format=json',
      `--pid=${pid}`,
    );
    return (JSON.parse(stdout) as Finding[]).find(({ code }) => code === 'capability');
  }

  async function isDumpedWithout(capability: string, pid: number): Promise<boolean> {
    const imagePath = JSON.stringify(join(await scope.directory(), 'images'));
    const dump = `dump(${pid}, { leaveRunning: true, imagePath: ${imagePath} })`;
    const script = `import(${JSON.stringify(distIndex)}).then(({ dump }) => ${dump})`;
    return (await without(capability, '-e', script)).code === 0;
  }

  test('a capability that this process lacks', async () => {
    const plain = await startWorkload(scope, ['idle']);
    const own = await startWorkload(scope, ['netns']);
    for (const [capability, pid, fails] of [
      ['sys_ptrace', plain.pid, true],
      ['sys_admin', plain.pid, false],
      ['sys_admin', own.pid, true],
      ['checkpoint_restore', plain.pid, false],
    ] as const) {
      const finding = await capabilityFinding(capability, pid);
      const subject = `CAP_${capability.toUpperCase()}`;
      if (fails) expect(finding).toMatchObject({ severity: 'fails', subject });
      else expect(finding).toBeUndefined();
      expect([capability, await isDumpedWithout(capability, pid)]).toEqual([capability, !fails]);
    }
  });

  test('that this process is not root', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const stdout = await runOk('setpriv', [
      ...['--reuid', '65534', '--clear-groups', process.execPath],
      ...[distCli, 'explain', '--format', 'json', '--pid', String(pid)],
    ]);
    expect(JSON.parse(stdout)).toMatchObject([
      { code: 'capability', severity: 'fails', subject: 'root' },
      { code: 'unreadable', severity: 'notice', pid },
    ]);
  });

  test('that there is no space for the images', async () => {
    const small = await mountTmpfs(scope, 'size=8m');
    const { pid } = await startWorkload(scope, ['memory', 32]);
    const imagePath = join(small, 'images');
    expect(await explain(pid, { imagePath })).toMatchObject([
      { code: 'no-space', severity: 'fails', pid, subject: small },
    ]);
    await dumpFails(scope, pid, { imagePath });
    expect(await explain(pid)).toEqual([]);
  });

  test('a feature that this kernel lacks', async () => {
    const criu = new Criu();
    const { pid } = await startWorkload(scope, ['idle']);
    const found = await explain(pid, { trackMem: true });
    if ((await criu.features()).memTrack) {
      expect(found).toEqual([]);
      return;
    }
    expect(found).toMatchObject([{ code: 'feature', severity: 'fails', pid }]);
    expect((await dumpFails(scope, pid, { trackMem: true })).code).toBe('ERR_CRIU_FEATURE_MISSING');
  });

  test('pipes too small for lazy pages', async () => {
    const setting = '/proc/sys/fs/pipe-max-size';
    const before = readFileSync(setting, 'utf8');
    scope.defer(() => writeFile(setting, before));
    await writeFile(setting, String(1024 * 1024));
    const effective = /^CapEff:\s*(\w+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    const hasResource = ((BigInt(`0x${effective}`) >> 24n) & 1n) === 1n;
    const imagePath = join(await scope.directory(), 'images');
    const port = await freePort();
    const options = { imagePath, lazyPages: true, pageServer: `127.0.0.1:${port}` };
    const small = await startWorkload(scope, ['idle']);
    expect(await explain(small.pid, options)).toEqual([]);
    const { pid } = await startWorkload(scope, ['memory', 32]);
    expect(await explain(pid)).toEqual([]);
    if (hasResource) {
      // Root may have pipes of any size.
      expect(await explain(pid, options)).toEqual([]);
      return;
    }
    expect(await explain(pid, options)).toMatchObject([
      { code: 'lazy-pages-pipe', severity: 'fails', pid },
    ]);
    // Restored tasks would run already when CRIU finds out, so the dump is refused.
    await expect(dump(pid, options)).rejects.toMatchObject({
      code: 'ERR_CRIU_FEATURE_MISSING',
      message: expect.stringMatching(/fs\.pipe-max-size is 1048576.*raise it to 4194304/) as string,
      findings: [{ code: 'lazy-pages-pipe' }],
    });
    expect(existsSync(imagePath)).toBe(false);
    expect(isAlive(pid)).toBe(true);
    await writeFile(setting, String(4 * 1024 * 1024));
    expect(await explain(pid, options)).toEqual([]);
  });

  test('a kernel-data cache that is not on a tmpfs, as a notice', async () => {
    const directory = await scope.directory();
    const binary = join(directory, 'criu');
    const program = readFileSync(criuBinary);
    const at = program.indexOf('/criu.kdat\0');
    const start = program.lastIndexOf(0, at) + 1;
    // A directory of the same length that is none.
    program.fill('x', start + 1, at);
    await writeFile(binary, program);
    await chmod(binary, 0o755);
    const { pid } = await startWorkload(scope, ['idle']);
    const criu = new Criu({ binary });
    const found = await inspect({ criu, pid, preDump: false, options: {} });
    expect(found).toMatchObject([{ code: 'kernel-data-cache', severity: 'notice' }]);
    await dump(pid, { criu, imagePath: join(directory, 'images'), leaveRunning: true });
    expect(isAlive(pid)).toBe(true);
  });
});
