// What the pool of the test processes promises: a machine of their own as far as CRIU looks at it.
import { statfsSync } from 'node:fs';
import { mkdir, readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { dumpOk } from '../../helpers/criu/attempt.js';
import { requireNeeds } from '../../helpers/needs.js';
import { distIndex } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { run, runOk } from '../../helpers/system/exec.js';
import { startWorkload } from '../../helpers/system/process.js';
import { enter } from '../../pool/namespace.js';

const scope = useScope();
beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build', 'gcc'));

const tmpfsMagic = 0x01021994;

describe('this test process', () => {
  test.each(['/etc/criu', '/run/criu', '/run/libcriu'])('has a %s of its own', async (path) => {
    expect(statfsSync(path).type).toBe(tmpfsMagic);
    const ours = await mountsAt('self', path);
    const theirs = await mountsAt(process.ppid, path);
    expect(ours.length).toBe(theirs.length + 1);
  });

  test('finds a cache of what CRIU knows of the kernel', async () => {
    const { pid } = await startWorkload(scope, ['idle']);
    const { log } = await dumpOk(scope, pid);
    expect(log.has(/Loaded kdat cache/)).toBe(true);
  });

  test('has no configuration of CRIU', async () => {
    expect(await readdir('/etc/criu')).toEqual([]);
    expect(process.env['CRIU_CONFIG_FILE']).toBeUndefined();
  });

  test('keeps its mounts to itself', async () => {
    expect(await readlink('/proc/self/ns/mnt')).not.toBe(
      await readlink(`/proc/${process.ppid}/ns/mnt`),
    );
    const directory = await scope.directory();
    await runOk('mount', ['-t', 'tmpfs', 'libcriu-test', directory]);
    scope.defer(() => runOk('umount', [directory]));
    expect(await mountsAt('self', directory)).toHaveLength(1);
    expect(await mountsAt(process.ppid, directory)).toEqual([]);
    // Nothing is handed on to, or comes from, another namespace.
    const all = await readFile('/proc/self/mountinfo', 'utf8');
    expect(all.split('\n').filter((line) => / (shared|master):/.test(line))).toEqual([]);
  });
});

describe('on a machine whose administrator has set what spoils a dump', () => {
  // With either of them, a dump saves nothing where it was to.
  const settings = ['images-dir /nowhere', 'no-such-word'];
  const files = ['/etc/criu/default.conf', '/etc/criu/runc.conf', 'home', 'CRIU_CONFIG_FILE'];
  const cases = files.flatMap((file) => settings.map((setting) => ({ file, setting })));

  /** A dump by a process in a namespace that has the file, perhaps behind what the pool does. */
  async function dumpBeside(
    { file, setting }: (typeof cases)[number],
    ...before: string[]
  ): Promise<{ said: string; images: string[] }> {
    const directory = await scope.directory();
    const { pid } = await startWorkload(scope, ['idle']);
    const home = join(directory, 'home');
    await mkdir(join(home, '.criu'), { recursive: true });
    const places: Record<string, string> = {
      home: join(home, '.criu/default.conf'),
      CRIU_CONFIG_FILE: join(directory, 'criu.conf'),
    };
    const target = places[file] ?? join(directory, 'etc');
    await writeFile(target, `${setting}\n`);
    const imagePath = join(directory, 'images');
    const program = `
      import { dump } from ${JSON.stringify(distIndex)};
      await dump(${pid}, ${JSON.stringify({
        imagePath,
        leaveRunning: true,
        ...(file.endsWith('runc.conf') ? { configFile: file } : {}),
      })}).then(() => console.log('saved'), ({ code }) => console.log(code));`;
    const script = `
      if [ -e "$1/etc" ]; then
        mount -t tmpfs none /etc/criu
        cp "$1/etc" "$2"
      fi
      shift 2
      exec "$@"`;
    const { stdout } = await run(
      'unshare',
      [
        ...['--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh', directory, file],
        ...before,
        ...[process.execPath, '--input-type=module', '-e', program],
      ],
      {
        env: {
          ...process.env,
          HOME: home,
          ...(file === 'CRIU_CONFIG_FILE' ? { CRIU_CONFIG_FILE: target } : {}),
        },
      },
    );
    const images = await readdir(imagePath).catch(() => []);
    return { said: stdout.trim(), images: images.filter((name) => name.endsWith('.img')) };
  }

  test.each(cases)('$file: $setting', async (one) => {
    const spoilt = await dumpBeside(one);
    const own = await dumpBeside(one, ...enter);
    expect(own.said).toBe('saved');
    expect(own.images).toContain('inventory.img');
    expect(spoilt).not.toEqual(own);
  });
});

/** The mounts at a path in a process's namespace. */
async function mountsAt(pid: number | 'self', path: string): Promise<string[]> {
  const text = await readFile(`/proc/${pid}/mountinfo`, 'utf8');
  return text.split('\n').filter((line) => line.split(' ')[4] === path);
}
