import {
  copyFileSync,
  readdirSync,
  readFileSync,
  renameSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import { restoreFails, restoreOk } from '../../helpers/criu/restored.js';
import { requireNeeds } from '../../helpers/needs.js';
import { optionTest } from '../../helpers/option-test.js';
import { distCli, projectRoot } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { run, runOk, until } from '../../helpers/system/exec.js';

beforeAll(() => requireNeeds('root', 'criu', 'libcriu', 'build'));

const scope = useScope();
const app = resolve(projectRoot, 'test/helpers/children/told.mjs');

/** A program that has saved itself, of a Node.js that a test may change. */
async function snapshot(): Promise<{ imagePath: string; node: string; args: string[] }> {
  const directory = await scope.directory();
  const [imagePath, node] = [join(directory, 'images'), join(directory, 'node')];
  copyFileSync(process.execPath, node);
  const args = [distCli, 'run', '--snapshot', imagePath, '--if-stale', 'rebuild', app];
  await runOk(node, args, { cwd: '/' });
  return { imagePath, node, args };
}

/** Puts a program in the place of another one, which differs in its last byte. That may be running still. */
function change(path: string): void {
  const content = readFileSync(path);
  const last = content.length - 1;
  content[last] = (content[last] ?? 0) ^ 1;
  unlinkSync(path);
  writeFileSync(path, content, { mode: 0o755 });
}

const outputOf = (imagePath: string): string => readFileSync(join(imagePath, 'output.log'), 'utf8');

test('a snapshot is restored from where it was moved to, and writes there', async () => {
  const { imagePath } = await snapshot();
  const moved = `${dirname(imagePath)}/moved`;
  renameSync(imagePath, moved);
  const { exited } = await restoreOk(scope, moved, { data: 'here' });
  expect(await exited).toEqual({ code: 0, signal: null });
  expect(outputOf(moved)).toBe(`told here, with the images in ${moved}\n`);
});

optionTest(
  'allowStale',
  'a snapshot of another Node.js is refused, and a copy is none',
  async () => {
    const { imagePath, node } = await snapshot();
    const { mtime } = statSync(node);
    utimesSync(node, mtime, new Date(mtime.getTime() + 5_000));
    await (await restoreOk(scope, imagePath)).exited;

    change(node);
    const before = readdirSync(imagePath);
    const error = await restoreFails(imagePath);
    expect(error).toMatchObject({ code: 'ERR_SNAPSHOT_STALE', operation: 'restore' });
    expect(error.message).toContain(`Node.js ${process.version} at ${node} has changed`);
    expect(readdirSync(imagePath)).toEqual(before);
    const { exited } = await restoreOk(scope, imagePath, { allowStale: true });
    expect(await exited).toEqual({ code: 0, signal: null });
  },
);

test('what has changed of kernel, processor, CRIU and files is told', async () => {
  const { imagePath } = await snapshot();
  const file = join(imagePath, 'libcriu-snapshot.json');
  const saved = readFileSync(file, 'utf8');
  const messageWith = async (changed: object): Promise<string> => {
    writeFileSync(file, JSON.stringify({ ...JSON.parse(saved), ...changed }));
    const { code, message } = await restoreFails(imagePath);
    expect(code).toBe('ERR_SNAPSHOT_STALE');
    return message;
  };
  expect(await messageWith({ kernel: '5.10.0' })).toContain(
    'it was made on Linux 5.10.0, and this is',
  );
  expect(await messageWith({ processor: ['fpu', 'unobtainium'] })).toContain('lacks');
  expect(await messageWith({ criu: '99.1' })).toContain('it was made by CRIU 99.1, and this is');
  const files = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ path: `/none/${name}`, size: 1 }));
  expect(await messageWith({ files })).toMatch(/\/none\/a is not there; .*; 2 more\. Make it anew/);
});

test('run --if-stale makes anew what does not fit, and nothing else', async () => {
  const { imagePath, node, args } = await snapshot();
  const inode = (): number => statSync(join(imagePath, 'inventory.img')).ino;
  const first = inode();
  await runOk(node, args, { cwd: '/' });
  expect(inode()).toBe(first);
  change(node);
  await runOk(node, args, { cwd: '/' });
  expect(inode()).not.toBe(first);
  expect(readdirSync(dirname(imagePath)).sort()).toEqual(['images', 'node']);
  const { exited } = await restoreOk(scope, imagePath, { data: 'anew' });
  expect(await exited).toEqual({ code: 0, signal: null });
  await until('it has told', () => outputOf(imagePath).includes('told anew'));

  // A program that does not save itself leaves the old one in its place.
  change(node);
  const second = inode();
  const failed = await run(node, [...args.slice(0, -1), '--eval', '0'], { cwd: '/' });
  expect(failed.code).not.toBe(0);
  expect(inode()).toBe(second);
  const other = await scope.directory();
  writeFileSync(join(other, 'precious'), '');
  const refused = await run(
    node,
    args.map((arg) => (arg === imagePath ? other : arg)),
  );
  expect(refused.stderr).toContain('something else than a snapshot');
  const wrong = await run(
    node,
    args.map((arg) => (arg === 'rebuild' ? 'maybe' : arg)),
  );
  expect(wrong.stderr).toContain('maybe');
});
