import { chmodSync, chownSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  criuEnvironment,
  keepOwnConfig,
  readOwnConfig,
  requireTrustedConfig,
} from '../../../lib/criu/environment.js';
import { runtimeEnvironment } from '../../../lib/criu/runtime-environment.js';
import { requireNeeds } from '../../helpers/needs.js';
import { failureOf } from '../../helpers/rejection.js';
import { useScope } from '../../helpers/scope.js';
import { sleep } from '../../helpers/system/exec.js';

const scope = useScope();
const alice = 1000;
const criu = { binary: '/opt/criu/criu', version: { major: 4, minor: 2, sublevel: 1 } };
let root = '';
beforeAll(() => requireNeeds('root', 'build'));
beforeEach(async () => {
  root = await scope.directory();
});
afterEach(() => void vi.unstubAllEnvs());

function directory(name: string, uid = 0, mode = 0o755): string {
  const path = join(root, name);
  mkdirSync(path);
  chownSync(path, uid, uid);
  chmodSync(path, mode);
  return path;
}

async function variable(name: string): Promise<string | undefined> {
  const entry = (await criuEnvironment({ tar: 'system' })).find((one) =>
    one.startsWith(`${name}=`),
  );
  return entry?.slice(name.length + 1);
}

describe('the environment of criu', () => {
  test('has only those directories of PATH that nobody else can write to', async () => {
    const good = directory('good');
    const link = join(root, 'link');
    symlinkSync(directory('of-alice', alice), link);
    const bad = [link, join(root, 'of-alice'), directory('shared', 0, 0o777), join(root, 'none')];
    vi.stubEnv('PATH', [...bad, '.', '', 'bin', good, '/usr/bin'].join(':'));
    expect(await variable('PATH')).toBe(`${good}:/usr/bin`);
    const { PATH } = await runtimeEnvironment(criu);
    expect(PATH).toMatch(new RegExp(`/criu-first:/opt/criu:.*/tar-first:${good}:/usr/bin$`));
    expect(await runtimeEnvironment({ ...criu, binary: '' })).toMatchObject({
      PATH: `${good}:/usr/bin`,
    });
  });

  test('has a directory of PATH from the moment on at which it is made', async () => {
    const late = join(root, 'late');
    vi.stubEnv('PATH', `${late}:/usr/bin`);
    // The first look may come too soon after the directory above was made to be kept.
    await sleep(60);
    for (let look = 0; look < 3; look++) expect(await variable('PATH')).toBe('/usr/bin');
    directory('late');
    for (let look = 0; look < 3; look++) expect(await variable('PATH')).toBe(`${late}:/usr/bin`);
  });

  test("has no home directory of another user, and refuses that user's configuration", async () => {
    vi.stubEnv('HOME', directory('root'));
    expect(await variable('HOME')).toBe(join(root, 'root'));
    const home = directory('alice', alice, 0o700);
    vi.stubEnv('HOME', home);
    expect(await variable('HOME')).toBeUndefined();
    expect(await runtimeEnvironment(criu)).toMatchObject({ HOME: undefined });
    await readOwnConfig();
    await requireTrustedConfig();
    mkdirSync(join(home, '.criu'));
    writeFileSync(join(home, '.criu/default.conf'), 'tcp-established\n');
    expect(await failureOf(readOwnConfig())).toMatchObject({ code: 'ERR_UNTRUSTED_PATH' });
  });

  test('has no plugins that another user can have written', async () => {
    vi.stubEnv('CRIU_LIBS_DIR', directory('plugins'));
    expect(await variable('CRIU_LIBS_DIR')).toBe(join(root, 'plugins'));
    vi.stubEnv('CRIU_LIBS_DIR', directory('planted', alice));
    const error = await failureOf(criuEnvironment());
    expect(error).toMatchObject({ code: 'ERR_UNTRUSTED_PATH' });
    expect(error.message).toContain(`the directory of CRIU_LIBS_DIR ${join(root, 'planted')}, `);
  });
});

describe("CRIU's own configuration", () => {
  const kept = async (): Promise<string | undefined> => {
    const path = await keepOwnConfig();
    return path === undefined ? undefined : readFileSync(path, 'latin1');
  };

  test('is what its files say in their order, byte by byte', async () => {
    const home = directory('root');
    vi.stubEnv('HOME', home);
    vi.stubEnv('CRIU_CONFIG_FILE', join(root, 'own.conf'));
    expect(await kept()).toBeUndefined();
    mkdirSync(join(home, '.criu'));
    writeFileSync(join(home, '.criu/default.conf'), 'file-locks');
    writeFileSync(join(root, 'own.conf'), Buffer.from('# \xe9\nno-file-locks\n', 'latin1'));
    expect(await kept()).toBe('file-locks\n# \xe9\nno-file-locks\n');
    expect(await keepOwnConfig()).toBe(await keepOwnConfig());
  });

  test('may be missing where every user can make it, for our criu looks no more', async () => {
    vi.stubEnv('HOME', directory('root'));
    const shared = directory('shared', 0, 0o1777);
    vi.stubEnv('CRIU_CONFIG_FILE', join(shared, 'own.conf'));
    expect(await kept()).toBeUndefined();
    expect(await variable('CRIU_CONFIG_FILE')).toBeUndefined();
    // The criu of a runtime does.
    expect(await failureOf(requireTrustedConfig())).toMatchObject({ code: 'ERR_UNTRUSTED_PATH' });
    writeFileSync(join(shared, 'own.conf'), 'file-locks\n');
    expect(await kept()).toBe('file-locks\n');
    await requireTrustedConfig();
  });
});

test.each([
  [3, 16, ['GLIBC_TUNABLES=glibc.pthread.rseq=0']],
  [3, 17, []],
  [4, 2, []],
])(
  'restartable sequences are kept from CRIU %i.%i, if it does not know of them',
  async (major, minor, expected) => {
    const environment = await criuEnvironment({ version: { major, minor, sublevel: 0 } });
    expect(environment.filter((one) => one.startsWith('GLIBC_TUNABLES='))).toEqual(expected);
  },
);
