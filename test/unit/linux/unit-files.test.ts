import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { realHost } from '../../../lib/linux/host.js';
import { readServiceSettings, restartAfterKill } from '../../../lib/linux/unit-files.js';
import { useScope } from '../../helpers/scope.js';

const scope = useScope();

/** A machine with these files, and what it has of a service. */
async function settingsOf(
  name: string,
  files: Readonly<Record<string, string>>,
): Promise<Record<string, readonly string[]> | undefined> {
  const systemRoot = await scope.directory();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(systemRoot, path)), { recursive: true });
    writeFileSync(join(systemRoot, path), text);
  }
  const settings = readServiceSettings(name, { ...realHost, systemRoot });
  return settings && Object.fromEntries(settings);
}

const usr = '/usr/lib/systemd/system';
const etc = '/etc/systemd/system';
const run = '/run/systemd/system';

describe('the settings of a service', () => {
  test('are those of its section, with lines that go on and values that add up', async () => {
    const text = `# Restart=no
[Unit]
Restart=never
[Service]
; Restart=no
Restart = on-failure
SuccessExitStatus=1 2 \\
  SIGUSR1
SuccessExitStatus=SIGKILL
[Install]
Restart=no
`;
    expect(await settingsOf('web.service', { [`${usr}/web.service`]: text })).toEqual({
      Restart: ['on-failure'],
      SuccessExitStatus: ['1', '2', 'SIGUSR1', 'SIGKILL'],
    });
  });

  test('are taken back by an empty value', async () => {
    const files = {
      [`${usr}/web.service`]: '[Service]\nRestart=always\nSuccessExitStatus=SIGKILL\n',
      [`${etc}/web.service.d/a.conf`]: '[Service]\nSuccessExitStatus=\nRestart=\n',
    };
    expect(await settingsOf('web.service', files)).toEqual({ Restart: [], SuccessExitStatus: [] });
  });

  test('are of the first file, and of all drop-ins in the order of their names', async () => {
    const files = {
      [`${usr}/web.service`]: '[Service]\nRestart=always\n',
      [`${etc}/web.service`]: '[Service]\nRestart=no\n',
      [`${usr}/web.service.d/20.conf`]: '[Service]\nRestart=on-abort\n',
      [`${run}/web.service.d/10.conf`]: '[Service]\nRestart=on-watchdog\n',
      // It stands for the one of the same name.
      [`${etc}/web.service.d/30.conf`]: '[Service]\nRestart=on-abnormal\n',
      [`${usr}/web.service.d/30.conf`]: '[Service]\nRestart=on-success\n',
      [`${usr}/web.service.d/40.txt`]: '[Service]\nRestart=always\n',
    };
    const { Restart = [] } = (await settingsOf('web.service', files)) ?? {};
    expect(Restart).toEqual(['no', 'on-watchdog', 'on-abort', 'on-abnormal']);
  });

  test('come from the template, the prefix and the type as well', async () => {
    const files = {
      [`${usr}/web-front@.service`]: '[Service]\nRestart=no\n',
      [`${usr}/web-front@.service.d/1.conf`]: '[Service]\nRestart=on-failure\n',
      [`${usr}/web-front@one.service.d/2.conf`]: '[Service]\nRestart=on-abort\n',
      [`${usr}/web-.service.d/3.conf`]: '[Service]\nRestart=on-success\n',
      [`${usr}/service.d/4.conf`]: '[Service]\nRestart=always\n',
      [`${usr}/other-.service.d/5.conf`]: '[Service]\nRestart=no\n',
    };
    const { Restart = [] } = (await settingsOf('web-front@one.service', files)) ?? {};
    expect(Restart).toEqual(['no', 'on-failure', 'on-abort', 'on-success', 'always']);
  });

  test('are not known without a file', async () => {
    expect(await settingsOf('web.service', {})).toBeUndefined();
  });
});

describe('after SIGKILL', () => {
  const settings = (restart: string, more: Record<string, string[]> = {}) =>
    new Map(Object.entries({ Restart: [restart], ...more }));

  test.each([
    ['always', 'always'],
    ['on-failure', 'on-failure'],
    ['on-abnormal', 'on-abnormal'],
    ['on-abort', 'on-abort'],
    ['on-success', undefined],
    ['on-watchdog', undefined],
    ['no', undefined],
  ])('a service of Restart=%s is started anew because of %s', (restart, why) => {
    expect(restartAfterKill(settings(restart))).toBe(why);
  });

  test('a service without Restart= is not started anew', () => {
    expect(restartAfterKill(new Map())).toBeUndefined();
  });

  test.each(['SIGKILL', 'KILL'])('RestartPreventExitStatus=%s has the last word', (signal) => {
    const more = { RestartPreventExitStatus: ['1', signal] };
    expect(restartAfterKill(settings('always', more))).toBeUndefined();
  });

  test('SuccessExitStatus=SIGKILL makes it no failure', () => {
    const more = { SuccessExitStatus: ['SIGKILL'] };
    expect(restartAfterKill(settings('on-failure', more))).toBeUndefined();
    expect(restartAfterKill(settings('on-success', more))).toBe('on-success');
    expect(restartAfterKill(settings('always', more))).toBe('always');
  });

  test('RestartForceExitStatus=SIGKILL starts it whatever Restart= says', () => {
    const more = { RestartForceExitStatus: ['SIGKILL'] };
    expect(restartAfterKill(settings('no', more))).toBe('no');
  });

  test('exit status 9 is not the signal', () => {
    const more = { RestartPreventExitStatus: ['9'] };
    expect(restartAfterKill(settings('always', more))).toBe('always');
  });
});
