import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { allFlags, sectionsOf } from '../../../lib/cli/command.js';
import { commands } from '../../../lib/cli/commands.js';
import type { Sink } from '../../../lib/cli/messages.js';
import { type Told, tell } from '../../../lib/cli/output.js';
import { libcriu } from '../../helpers/command.js';
import { projectRoot } from '../../helpers/paths.js';

/** What is printed of a success. */
async function printed(told: Told, flags: readonly string[], isTTY: boolean): Promise<string> {
  let text = '';
  const stdout: Sink = { isTTY, write: (part) => (text += part) };
  await tell(told, new Map(flags.map((name) => [name, true])), stdout);
  return text;
}

describe('what a command has to tell of a success', () => {
  const told: Told = { result: { pid: 7 }, text: '7\n', line: 'it runs' };
  const silent: Told = { result: { pid: 7 }, line: 'it runs' };
  const object = '{\n  "pid": 7\n}\n';

  test.each<[string, Told, readonly string[], { terminal: string; script: string }]>([
    ['what a script reads too', told, [], { terminal: 'it runs\n', script: '7\n' }],
    ['the same with --quiet', told, ['quiet'], { terminal: '7\n', script: '7\n' }],
    ['the same with --json', told, ['json'], { terminal: object, script: object }],
    ['a line', silent, [], { terminal: 'it runs\n', script: '' }],
    ['a line with --quiet', silent, ['quiet'], { terminal: '', script: '' }],
    ['a line with both', silent, ['quiet', 'json'], { terminal: object, script: object }],
    ['a table', { result: [], text: async () => 'rows' }, [], { terminal: 'rows', script: 'rows' }],
    [
      'one result of several',
      { ...silent, isOneOfSeveral: true },
      ['json'],
      { terminal: '{"pid":7}\n', script: '{"pid":7}\n' },
    ],
  ])('%s', async (_, given, flags, { terminal, script }) => {
    expect(await printed(given, flags, true)).toBe(terminal);
    expect(await printed(given, flags, false)).toBe(script);
  });

  test('does nothing to the terminal, whatever it quotes', async () => {
    const line = 'a\u001b[31m\rb\u0007 is saved';
    expect(await printed({ result: {}, line }, [], true)).toBe('a?[31m?b? is saved\n');
  });

  test('makes no text that nobody wants', async () => {
    const text = (): string => expect.unreachable('it is made');
    expect(await printed({ result: 1, text }, ['json'], false)).toBe('1\n');
  });
});

describe('the flags for the output', () => {
  test.each(commands)('of $name are --json, and are in its help', (command) => {
    const names = allFlags(command).map(({ name }) => name);
    expect(names).toContain('json');
    const listed = sectionsOf(command).flatMap(({ flags }) => flags.map(({ name }) => name));
    for (const { name } of [...(command.output ?? []), { name: 'help' }]) {
      expect(listed).toContain(name);
    }
  });

  test('decode prints the same with --json', async () => {
    const image = join(projectRoot, 'test/fixtures/images/pstree.img');
    const plain = await libcriu(['decode', image]);
    expect(plain.status).toBe(0);
    expect((await libcriu(['decode', '--json', image])).stdout).toBe(plain.stdout);
  });
});
