import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CriuError } from '../../../lib/base/errors.js';
import { allFlags, type Outside } from '../../../lib/cli/command.js';
import { commands } from '../../../lib/cli/commands.js';
import { optionsOf } from '../../../lib/options/calls.js';
import { libcriu, optionsFor } from '../../helpers/command.js';

test.each(commands)('no two flags of $name have one name', (command) => {
  const names = allFlags(command).map(({ name }) => name);
  expect(names).toEqual([...new Set(names)]);
});

describe('global flags', () => {
  test('have an absolute path for --root', async () => {
    expect(await optionsFor('--root', 'state', 'checkpoint', 'web')).toMatchObject({
      stateRoot: resolve('state'),
    });
  });

  test("may be those that runc's callers pass besides", async () => {
    const args = ['--systemd-cgroup', '--rootless=auto', '--log-format', 'json', '--log', ''];
    expect(await optionsFor(...args, 'checkpoint', 'web')).toEqual({ existing: 'reuse' });
  });

  test.each([[['--version']], [['-v']], [['-version']]])(
    'tell the version for %j',
    async (args) => {
      expect(await libcriu(args)).toMatchObject({ status: 0, stdout: 'libcriu version 1.2.3\n' });
    },
  );

  test.each([[[]], [['--help']], [['-h']], [['help']], [['h']], [['--help', 'checkpoint']]])(
    'print the help for %j',
    async (args) => {
      const { status, stdout, stderr } = await libcriu(args);
      expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
      for (const word of ['checkpoint', '--root DIR', '--log-format text|json', '--version, -v']) {
        expect(stdout).toContain(word);
      }
    },
  );

  test.each([
    [['checkpoint', '--help']],
    [['checkpoint', '-h']],
    [['checkpoint', '--image-path', 'x', 'web', '-help']],
    [['help', 'checkpoint']],
  ])('print the help of checkpoint for %j', async (args) => {
    const { status, stdout, stderr, called } = await libcriu(args);
    expect({ status, stderr, called }).toEqual({ status: 0, stderr: '', called: undefined });
    for (const { flag } of optionsOf('checkpoint')) {
      if (flag !== undefined) expect(stdout).toMatch(new RegExp(`^ {3}--${flag}\\b`, 'm'));
    }
    // In the words of the command: no option is called by its JavaScript name.
    for (const { name } of optionsOf('checkpoint')) {
      if (/[A-Z]/.test(name)) expect(stdout).not.toMatch(new RegExp(`\\b${name}\\b`));
    }
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  test("help of the command tells its own default of what it does not share with the API's", async () => {
    const { stdout } = await libcriu(['checkpoint', '--help']);
    const [, of = ''] = /^ {3}--existing (.*?)^ {3}--/ms.exec(stdout) ?? [];
    expect(of).toContain('refuse|replace|reuse');
    expect(of).toContain('(default: reuse)');
    expect(await optionsFor('checkpoint', '--existing', 'refuse', 'web')).toEqual({
      existing: 'refuse',
    });
  });
});

describe('an interrupt of the command', () => {
  function interrupts(): {
    onInterrupt: Outside['onInterrupt'];
    raise(name: string): void;
    listening(): boolean;
  } {
    let listener: ((name: string) => void) | undefined;
    return {
      onInterrupt: (added) => {
        listener = added;
        return () => {
          listener = undefined;
        };
      },
      raise: (name) => listener?.(name),
      listening: () => listener !== undefined,
    };
  }

  test('aborts the checkpoint, and the first one is named', async () => {
    const { onInterrupt, raise, listening } = interrupts();
    const { status, stderr } = await libcriu(
      ['checkpoint', 'web'],
      async ({ signal }) => {
        raise('SIGTERM');
        raise('SIGINT');
        expect(signal?.aborted).toBe(true);
        throw Object.assign(new Error('The operation was aborted'), { code: 'ABORT_ERR' });
      },
      { onInterrupt },
    );
    expect(status).toBe(1);
    expect(stderr).toContain(
      'The checkpoint of web was given up at SIGTERM; the container goes on',
    );
    expect(listening()).toBe(false);
  });

  test('changes nothing when it comes too late', async () => {
    const { onInterrupt, raise, listening } = interrupts();
    const ended = await libcriu(
      ['checkpoint', 'web'],
      async () => {
        raise('SIGINT');
        return {};
      },
      { onInterrupt },
    );
    expect(ended).toMatchObject({ status: 0, stderr: '' });
    expect(listening()).toBe(false);
  });

  test('does not hide another failure', async () => {
    const { onInterrupt, raise } = interrupts();
    const { stderr } = await libcriu(
      ['checkpoint', 'web'],
      async () => {
        raise('SIGINT');
        throw new CriuError('ERR_CRIU_DIED', 'criu ended without an answer');
      },
      { onInterrupt },
    );
    expect(stderr).toContain('criu ended without an answer');
  });
});
