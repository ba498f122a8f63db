import { expect, test } from 'vitest';
import type { Diagnosis } from '../../../lib/index.js';
import { distCli } from '../../helpers/paths.js';
import { run } from '../../helpers/system/exec.js';

test('libcriu doctor tells of this machine, in lines and as an object', async () => {
  const text = await run(process.execPath, [distCli, 'doctor']);
  const json = await run(process.execPath, [distCli, 'doctor', '--json', '--image-path', '/proc']);
  const { ok, checks } = JSON.parse(json.stdout) as Diagnosis;
  // Other tests need it to be able to dump.
  expect({ ok, codes: [text.code, json.code] }).toEqual({ ok: true, codes: [0, 0] });
  const found = new Map(checks.map((check) => [check.code, check]));
  for (const code of ['root', 'addon', 'criu', 'library', 'kernel', 'cgroups'] as const) {
    expect(found.get(code)?.status, code).toBe('ok');
    expect(text.stdout).toContain(`ok       ${found.get(code)?.message}\n`);
  }
  expect(found.get('space')).toMatchObject({ subject: '/proc', status: 'ok' });
  for (const { status, cure } of checks) expect(cure === undefined).toBe(status === 'ok');
});

test('libcriu doctor has the status 1 where something fails', async () => {
  const env = { ...process.env, LIBCRIU_PREFIX: '/nonexistent' };
  const { code, stdout } = await run(process.execPath, [distCli, 'doctor'], { env });
  expect(code).toBe(1);
  expect(stdout).toMatch(/^fails {4}No criu program in .*\n {9}-> /m);
});
