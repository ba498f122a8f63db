import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CriuError } from '../../../lib/base/errors.js';
import { libcriu } from '../../helpers/command.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();

describe('the messages of the command', () => {
  const failure = new CriuError('ERR_CRIU_FAILED', 'CRIU failed: locks are held', {
    operation: 'checkpoint',
    stage: 'networkLock',
    errno: 52,
    log: ['Error (criu/file-lock.c:110): Some file locks are hold'],
    logFile: '/images/dump.log',
  });
  const fail = async (): Promise<never> => {
    throw failure;
  };

  test('tell of a failure in one line, with status 1', async () => {
    const { status, stdout, stderr } = await libcriu(['checkpoint', 'web'], fail);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toMatch(/^time="[^"]+" level=error msg="CRIU failed: locks are held"\n$/);
  });

  test('are what runc prints on a terminal', async () => {
    const { stderr } = await libcriu(['checkpoint', 'web'], fail, { tty: true });
    expect(stderr).toBe('ERRO[0000] CRIU failed: locks are held\n');
  });

  test("have CRIU's words, the code, the stage and the log's place with --debug", async () => {
    const { status, stderr } = await libcriu(['--debug', 'checkpoint', 'web'], fail);
    expect(status).toBe(1);
    const lines = stderr.trimEnd().split('\n');
    expect(lines[0]).toContain('level=error msg="CRIU failed: locks are held"');
    for (const line of lines.slice(1)) expect(line).toContain('level=debug');
    for (const part of ['Some file locks are hold', 'ERR_CRIU_FAILED', 'networkLock', '52']) {
      expect(stderr).toContain(part);
    }
    expect(stderr).toContain('/images/dump.log');
  });

  test('go to the file of --log, behind what it has, and stderr keeps the sentence', async () => {
    const log = join(await scope.directory(), 'log');
    writeFileSync(log, 'before\n');
    const args = ['--log', log, '--log-format=json', '--debug', 'checkpoint', 'web'];
    const { stderr } = await libcriu(args, fail);
    expect(stderr).toBe('CRIU failed: locks are held\n');
    const [before, ...lines] = readFileSync(log, 'utf8').trimEnd().split('\n');
    expect(before).toBe('before');
    const entries = lines.map((line) => JSON.parse(line) as Record<string, string>);
    expect(entries.map(({ level }) => level)).toEqual(['error', 'debug', 'debug', 'debug']);
    expect(entries[0]).toEqual({
      level: 'error',
      msg: 'CRIU failed: locks are held',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) as string,
    });
  });

  test('are JSON on stderr with --log-format json and without a file', async () => {
    const { stderr } = await libcriu(['--log-format', 'json', 'checkpoint', 'web'], fail);
    expect(JSON.parse(stderr)).toMatchObject({
      level: 'error',
      msg: 'CRIU failed: locks are held',
    });
  });

  test('put an error of many lines, with control characters, into one line', async () => {
    const { stderr } = await libcriu(
      ['checkpoint', 'web'],
      async () => {
        throw new Error('first\n  second \u001b[31m third\r\n');
      },
      { tty: true },
    );
    expect(stderr).toBe('ERRO[0000] first second ?[31m third\n');
  });

  test('tell of what is thrown and is no Error', async () => {
    const { status, stderr } = await libcriu(['checkpoint', 'web'], () => Promise.reject('why'));
    expect(status).toBe(1);
    expect(stderr).toContain('msg="why"');
  });

  test('tell of the warnings of a success', async () => {
    const { status, stderr } = await libcriu(['checkpoint', 'web'], async () => ({
      warnings: ['a hook failed', 'a cgroup stays'],
    }));
    expect(status).toBe(0);
    expect(stderr.split('\n').map((line) => /level=(\w+) msg=(.*)/.exec(line)?.slice(1))).toEqual([
      ['warning', '"a hook failed"'],
      ['warning', '"a cgroup stays"'],
      undefined,
    ]);
  });

  test('tell of a success with --debug', async () => {
    const { status, stderr } = await libcriu(['--debug', 'checkpoint', 'web']);
    expect(status).toBe(0);
    expect(stderr).toMatch(
      /level=debug msg="checkpoint of web \(pid 7\) in \/images after 12\.3 ms/,
    );
  });
});
