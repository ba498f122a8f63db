import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, test } from 'vitest';
import {
  checkpoint,
  dump,
  restore,
  restoreContainer,
  startLazyPages,
  startPageServer,
} from '../../helpers/api.js';
import { given, isRefused } from '../../helpers/criu/refusal.js';
import { requireNeeds } from '../../helpers/needs.js';
import { Scope, useScope } from '../../helpers/scope.js';
import { type Container, startContainer } from '../../helpers/workloads/container.js';

const scope = useScope();
const shared = new Scope();
let container: Container;
beforeAll(async () => {
  requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc');
  container = await startContainer(shared, { args: ['/workload', '-', 'idle'] });
  await checkpoint(container.id, given(container, { imagePath: container.path('saved') }));
});

afterAll(() => shared.close());

/** What can stand where a file should be, and how it is made. */
const strangers: readonly (readonly [kind: string, make: (path: string) => unknown])[] = [
  ['a directory', (path) => mkdirSync(path)],
  ['a FIFO', (path) => execFileSync('mkfifo', [path])],
  ['a device', (path) => execFileSync('mknod', [path, 'c', '1', '3'])],
  ['a symbolic link', (path) => symlinkSync('elsewhere', path)],
  [
    'a socket',
    (path) =>
      new Promise<void>((resolve) => {
        const server = createServer().listen(path, () => resolve());
        shared.defer(() => server.close());
      }),
  ],
];

type Paths = Readonly<{ imagePath: string; workPath?: string }>;
interface Call {
  name: string;
  run: (paths: Paths) => Promise<unknown>;
  /** Whether it writes images, and not only reads them. */
  writes: boolean;
  /** That of CRIU's log, and whether an option can give another one. */
  log: string;
  namesLog?: false;
}

// preDump(), for which this kernel may lack what it takes, goes the way of dump().
const calls: readonly Call[] = [
  {
    name: 'checkpoint',
    run: (paths) => checkpoint(container.id, given(container, { existing: 'reuse', ...paths })),
    writes: true,
    log: 'dump.log',
  },
  {
    name: 'dump',
    run: (paths) => dump(container.pid, { existing: 'reuse', leaveRunning: true, ...paths }),
    writes: true,
    log: 'dump.log',
  },
  {
    name: 'startPageServer',
    run: (paths) => startPageServer({ address: '127.0.0.1', existing: 'reuse', ...paths }),
    writes: true,
    log: 'page-server.log',
  },
  {
    name: 'restore',
    run: ({ imagePath, ...paths }) => restore(imagePath, paths),
    writes: false,
    log: 'restore.log',
  },
  {
    name: 'startLazyPages',
    run: (paths) => startLazyPages({ address: '127.0.0.1', port: 1, ...paths }),
    writes: false,
    log: 'lazy-pages.log',
  },
  {
    name: 'restoreContainer',
    run: (paths) =>
      restoreContainer('other', {
        bundle: container.bundle,
        stateRoot: container.stateRoot,
        ...paths,
      }),
    writes: false,
    log: 'restore.log',
    namesLog: false,
  },
];

const code = 'ERR_CRIU_IMAGES_DIR';

/** A directory with images where they are read, and with a stranger under a name. */
async function directoryWith(
  name: string,
  make: (path: string) => unknown,
  hasImages: boolean,
): Promise<string> {
  const directory = container.path('place');
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory);
  if (hasImages) execFileSync('cp', ['-a', `${container.path('saved')}/.`, directory]);
  rmSync(join(directory, name), { recursive: true, force: true });
  await make(join(directory, name));
  scope.defer(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

describe.each(calls)('$name refuses', ({ run, writes, log, namesLog = true }) => {
  test.each(strangers)('a log that is %s', async (kind, make) => {
    const imagePath = await directoryWith(log, make, !writes);
    const says = [...(namesLog ? [`logFile ${log}`] : []), `imagePath ${imagePath} is ${kind}`];
    await isRefused(container, () => run({ imagePath }), { code, says });
  });

  test('the same in workPath, which may be the directory of the images', async () => {
    const [, [kind, make]] = strangers as [unknown, (typeof strangers)[number]];
    const workPath = await directoryWith(log, make, !writes);
    const apart = writes ? container.path('images') : container.path('saved');
    for (const imagePath of [apart, workPath]) {
      const says = [log, workPath, `is ${kind}`];
      await isRefused(container, () => run({ imagePath, workPath }), { code, says });
    }
  });

  test.each(['stats-dump', 'stats-restore', 'irmap-cache'])(
    'a FIFO by the name of %s beside the log',
    async (name) => {
      const make = (path: string): unknown => execFileSync('mkfifo', [path]);
      const imagePath = await directoryWith(name, make, !writes);
      const says = [name, `imagePath ${imagePath}`, 'is a FIFO'];
      await isRefused(container, () => run({ imagePath }), { code, says });
    },
  );
});

describe.each(calls.filter(({ writes }) => writes))('$name refuses', ({ run }) => {
  test.each(['inventory.img', 'pages-1.img', 'core-1.img', 'any.img', 'tmp-x'])(
    'a FIFO by the name of an image, %s',
    async (name) => {
      const make = (path: string): unknown => execFileSync('mkfifo', [path]);
      const imagePath = await directoryWith(name, make, false);
      const says = [name, `imagePath ${imagePath}`, 'is a FIFO'];
      await isRefused(container, () => run({ imagePath }), { code, says });
    },
  );
});

describe('checkpoint refuses', () => {
  test.each(['libcriu-container.json', 'descriptors.json', 'libcriu-criu.json'])(
    'a directory by the name of a file of ours, %s',
    async (name) => {
      const imagePath = await directoryWith(name, (path) => mkdirSync(path), false);
      const options = given(container, { imagePath, existing: 'reuse' });
      const says = [name, `imagePath ${imagePath}`, 'is a directory'];
      await isRefused(container, () => checkpoint(container.id, options), { code, says });
    },
  );

  test('a log that is all there is in a directory to replace', async () => {
    const imagePath = await directoryWith('dump.log', (path) => mkdirSync(path), false);
    const options = given(container, { imagePath, existing: 'replace' });
    const says = ['logFile dump.log', `imagePath ${imagePath} is a directory`];
    await isRefused(container, () => checkpoint(container.id, options), { code, says });
  });

  test.each(strangers)('a log of the configuration file that is %s', async (kind, make) => {
    const place = await directoryWith('criu.log', make, false);
    const outer = join(place, 'criu.log');
    const configFile = join(place, 'criu.conf');
    writeFileSync(configFile, `log-file ${outer}\n`);
    const options = given(container, { imagePath: container.path('images'), configFile });
    // Where the link leads there is no file yet, and CRIU would make it.
    if (kind === 'a symbolic link') symlinkSync('/dev/null', join(place, 'elsewhere'));
    const says = [configFile, outer, kind === 'a symbolic link' ? 'is a device' : `is ${kind}`];
    await isRefused(container, () => checkpoint(container.id, options), {
      code: 'ERR_CRIU_CONFIG',
      says,
    });
  });
});

describe.each(['restore', 'restoreContainer'])('%s refuses', (name) => {
  test.each(strangers)('a pidFile that is %s', async (kind, make) => {
    const pidFile = join(await directoryWith('pid', make, false), 'pid');
    const { bundle, stateRoot } = container;
    const imagePath = container.path('saved');
    const call = (): Promise<unknown> =>
      name === 'restore'
        ? restore(imagePath, { pidFile })
        : restoreContainer('other', { bundle, stateRoot, imagePath, pidFile });
    const says = ['pidFile', `'${pidFile}'`, `it is ${kind}`];
    await isRefused(container, call, { code: 'ERR_INVALID_ARG_VALUE', says });
  });
});

test('a restore that is refused leaves a pid file what it was', async () => {
  const place = await directoryWith('pid', (path) => writeFileSync(path, '42\n'), false);
  const imagePath = container.path('missing');
  const call = (): Promise<unknown> => restore(imagePath, { pidFile: join(place, 'pid') });
  await isRefused(container, call, { code, says: ['imagePath', imagePath] });
});
