import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { requireNeeds } from '../helpers/needs.js';
import { prefix } from '../helpers/paths.js';
import { Scope } from '../helpers/scope.js';
import { run, runOk } from '../helpers/system/exec.js';
import { Consumer } from './consumer.js';

const scope = new Scope();
let consumer: Consumer;
beforeAll(async () => {
  requireNeeds('build', 'criu', 'libcriu');
  consumer = await Consumer.in(await scope.directory());
  return () => scope.close();
});
afterEach(() => consumer.removeNative());

const fitting = `@libcriu/linux-${process.arch}-gnu`;
const other = `@libcriu/linux-${process.arch}-musl`;

/** Says which addon was loaded by the first use, or what that was rejected with. */
const firstUse = `
  import { readFileSync } from 'node:fs';
  import { version } from 'libcriu';
  await version().then(
    () => console.log(/\\S*criu_native\\.node/.exec(readFileSync('/proc/self/maps', 'utf8'))[0]),
    ({ code, message }) => console.log(code, message),
  );`;

const env: NodeJS.ProcessEnv = {
  ...process.env,
  LIBCRIU_ADDON: undefined,
  LIBCRIU_PREFIX: existsSync(prefix) ? prefix : undefined,
};

async function said(project = consumer): Promise<string> {
  const { stdout, stderr } = await project.run(firstUse, env);
  expect(stderr).toBe('');
  return stdout.trimEnd();
}

describe('the addon is loaded', () => {
  test('from the package for this system', async () => {
    await consumer.installPlatform(fitting);
    expect(await said()).toBe(consumer.module(`${fitting}/criu_native.node`));
  });

  test('from the one for the C library of Node.js, where both are installed', async () => {
    await consumer.installPlatform(other, 'not to be looked at');
    await consumer.installPlatform(fitting);
    expect(await said()).toBe(consumer.module(`${fitting}/criu_native.node`));
  });

  test('from the package also where one was built here', async () => {
    await consumer.installPlatform(fitting);
    await consumer.buildHere();
    expect(await said()).toBe(consumer.module(`${fitting}/criu_native.node`));
  });

  test.each([
    ['no package is installed', undefined],
    ['that of the package cannot be loaded', 'no library'],
  ])('from what was built here, where %s', async (_, content) => {
    if (content !== undefined) await consumer.installPlatform(fitting, content);
    await consumer.buildHere();
    expect(await said()).toBe(consumer.module('libcriu/build/Release/criu_native.node'));
  });
});

describe('where there is none, the first use tells', () => {
  test('the package that is missing, and a command that works in this project', async () => {
    expect(await said()).toBe(
      `ERR_CRIU_ADDON_NOT_FOUND The native addon was not found: the package ${fitting} is not ` +
        'installed, as after "npm install --omit=optional". Run "npx libcriu setup", which builds ' +
        'the addon',
    );
  });

  test('that the package is for another C library', async () => {
    await consumer.installPlatform(other, 'no library');
    expect(await said()).toMatch(
      new RegExp(
        `^ERR_CRIU_ADDON_NOT_FOUND The package ${other} could not be loaded: .+; this Node.js ` +
          `needs ${fitting}: .+"npm install" on this system$`,
      ),
    );
  });

  test('that the package is for another processor', async () => {
    const foreign = `@libcriu/linux-${process.arch === 'x64' ? 'arm64' : 'x64'}-gnu`;
    await consumer.installPlatform(foreign, 'no library');
    expect(await said()).toBe(
      `ERR_CRIU_ADDON_NOT_FOUND The native addon was not found: ${foreign} is installed, but this ` +
        `Node.js needs ${fitting}: node_modules was installed for another C library or processor. ` +
        'Run "npm install" on this system',
    );
  });

  test('why the loader refused the one that fits', async () => {
    await consumer.installPlatform(fitting, 'no library');
    expect(await said()).toMatch(
      new RegExp(
        `^ERR_CRIU_ADDON_NOT_FOUND The package ${fitting} could not be loaded: .*(?:invalid ELF|` +
          'too short).*; run "npx libcriu setup", which builds one for this system$',
      ),
    );
  });
});

test('what is found is refused where another user can have put it there', async () => {
  requireNeeds('root');
  // Node.js looks in the directories above, too.
  const inner = await Consumer.in(join(consumer.directory, 'inner'));
  await consumer.installPlatform(fitting);
  expect(await said(inner)).toBe(consumer.module(`${fitting}/criu_native.node`));
  await runOk('chown', ['-R', '1000', consumer.module('@libcriu')]);
  expect(await said(inner)).toMatch(/^ERR_UNTRUSTED_PATH Refused to use the native addon /);
});

test('`libcriu setup` of a project says nothing where nothing is to be done', async () => {
  await consumer.installPlatform(fitting);
  const command = consumer.module('libcriu/dist/cli/main.js');
  const { code, stdout, stderr } = await run(process.execPath, [command, 'setup'], { env });
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: '' });
});
