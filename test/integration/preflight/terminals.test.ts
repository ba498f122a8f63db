import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { explain } from '../../../lib/explain.js';
import { dumpFails, dumpOk } from '../../helpers/criu/attempt.js';
import { isCured, isFatal } from '../../helpers/criu/findings.js';
import { requireNeeds } from '../../helpers/needs.js';
import { distIndex } from '../../helpers/paths.js';
import { useScope } from '../../helpers/scope.js';
import { runOk } from '../../helpers/system/exec.js';
import { startWorkload } from '../../helpers/system/process.js';
import { startSituation } from '../../helpers/workloads/situation.js';

const scope = useScope();
beforeAll(() =>
  requireNeeds('root', 'criu', 'libcriu', 'gcc', 'runc', 'busybox', 'setpriv', 'build'),
);

describe('explain finds', () => {
  test('a process that leads no session', async () => {
    const { pid } = await startWorkload(scope, ['idle'], { session: false });
    await isCured(scope, pid, { code: 'session', pid, option: 'shellJob' });
  });

  test('a session that is led from outside of the pid namespace', async () => {
    const program = `
      import { spawn } from 'node:child_process';
      import { dump, explain } from ${JSON.stringify(distIndex)};
      const { pid } = spawn('sleep', ['60'], { stdio: 'ignore' });
      const [finding] = await explain(pid, { shellJob: true });
      const options = { imagePath: process.argv[1], shellJob: true };
      const message = await dump(pid, options).then(() => '', (error) => error.message);
      console.log(JSON.stringify({ finding, message }));
      process.exit();
    `;
    const node = [process.execPath, '--input-type=module', '--eval', program];
    const images = join(await scope.directory(), 'images');
    const inside = ['--pid', '--fork', '--mount-proc', ...node, images];
    const { finding, message } = JSON.parse(await runOk('unshare', inside));
    expect(finding).toMatchObject({ code: 'session', severity: 'fails' });
    expect(message).toContain('outside of its pid namespace');
  });

  test('a leader whose terminal has its master outside, and a member of its session', async () => {
    const {
      numbers: [leader = 0, member = 0],
    } = await startSituation(scope, ['terminal', 1]);
    await isCured(scope, leader, { code: 'terminal', pid: leader, option: 'shellJob' });
    const codes = (await explain(member)).map(({ code }) => code).sort();
    expect(codes).toContain('session');
    expect(codes).toContain('terminal');
    await dumpFails(scope, member);
    expect(await explain(member, { shellJob: true })).toEqual([]);
    await dumpOk(scope, member, { shellJob: true });
  });

  test('two terminals from outside', async () => {
    const {
      numbers: [leader = 0],
    } = await startSituation(scope, ['terminal', 2]);
    await isFatal(scope, leader, { code: 'terminal', pid: leader }, { shellJob: true });
  });
});
