import { describe, expect, test } from 'vitest';
import { commandHelp } from '../../../lib/cli/command.js';
import { checkpointCommand } from '../../../lib/cli/commands/checkpoint.js';
import { dumpCommand } from '../../../lib/cli/commands/dump.js';
import { explainCommand } from '../../../lib/cli/commands/explain.js';
import { restoreCommand } from '../../../lib/cli/commands/restore.js';
import { runCommand } from '../../../lib/cli/commands/run.js';
import { run } from '../../../lib/cli/program.js';

/** What the command says to arguments that are too few or too many. */
async function refusal(args: readonly string[]): Promise<string> {
  let stderr = '';
  const status = await run(args, {
    stdout: { write: () => expect.unreachable('nothing is printed') },
    stderr: { write: (text) => (stderr += text), isTTY: true },
    version: '1.2.3',
    checkpoint: () => expect.unreachable('nothing is done'),
    onInterrupt: () => () => {},
  });
  expect(status).toBe(1);
  return stderr.replace(/^ERRO\[\d+\] /, '').trimEnd();
}

test.each([
  [
    ['checkpoint'],
    'Expected exactly one argument, the container id, for checkpoint but received 0',
  ],
  [
    ['checkpoint', 'a', 'b'],
    "Expected exactly one argument, the container id, for checkpoint but received 2: 'a', 'b'",
  ],
  [
    ['restore'],
    'Expected exactly one argument, the directory of the images, for restore but received 0',
  ],
  [
    ['restore', 'a', 'b'],
    "Expected exactly one argument, the directory of the images, for restore but received 2: 'a', 'b'",
  ],
  [
    ['explain'],
    'Expected exactly one argument, the container id, or --pid or --unit for explain but received 0',
  ],
  [
    ['explain', 'a', 'b'],
    "Expected exactly one argument, the container id, or --pid or --unit for explain but received 2: 'a', 'b'",
  ],
  [['explain', '--pid', '1', 'web'], "Expected no argument beside --pid but received 'web'"],
  [
    ['explain', '--unit', 'web', '--pid', '1'],
    'Expected no argument beside --pid but received --unit',
  ],
  [
    ['dump'],
    'Expected exactly one argument, the id of the process, or --unit for dump but received 0',
  ],
  [['dump', 'web'], "Expected the id of a process but received 'web'"],
  [['dump', '--unit', 'web', '1'], "Expected no argument beside --unit but received '1'"],
  [['run', '--snapshot', '/tmp/x'], 'Expected an argument, the program, for run but received 0'],
  [['run', 'app.js'], 'Expected --snapshot DIR for run'],
  [['run', '--snapshot', '', 'app.js'], 'Expected --snapshot DIR for run'],
])('%j', async (args, sentence) => {
  expect(await refusal(args)).toBe(sentence);
});

describe('the usage of', () => {
  test.each([
    [checkpointCommand, ['checkpoint [options] <container-id>']],
    [restoreCommand, ['restore [options] DIR']],
    [dumpCommand, ['dump [options] <pid>', 'dump [options] --unit NAME']],
    [
      explainCommand,
      [
        'explain [options] <container-id>',
        'explain [options] --pid PID',
        'explain [options] --unit NAME',
      ],
    ],
    [runCommand, ['run --snapshot DIR [options] app.js [arguments]']],
  ])('$name tells its arguments', (command, lines) => {
    const [, usage = ''] = /^Usage:\n(.*?)\n {3}\n/s.exec(commandHelp(command)) ?? [];
    expect(usage.split('\n').map((line) => line.trim())).toEqual(
      lines.map((line) => `libcriu [global options] ${line}`),
    );
    expect(commandHelp(command)).toContain('--help, -h');
  });
});
