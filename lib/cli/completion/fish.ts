import type { CompletedCommand, CompletedFlag, CompletedProgram, Kind } from './kinds.js';

/** The completion of fish. */
export function fishCompletion({ flags, commands }: CompletedProgram): string {
  const takingValue = flags.flatMap(({ name, kind }) => (kind === undefined ? [] : `--${name}`));
  const names = commands.map(
    ({ name, summary }) =>
      `complete -c libcriu -n '__libcriu_is ""' -a ${name} -d ${quoted(summary)}`,
  );
  return `# fish completion of libcriu, made by \`libcriu completion fish\`.

# Prints the command of the command line, or nothing where it has none yet.
function __libcriu_command
    set -l words (commandline -opc)
    set -e words[1]
    while set -q words[1]
        set -l word (string replace -r '^-([^-])' -- '--$1' $words[1])
        set -e words[1]
        if contains -- $word ${takingValue.join(' ')}
            set -e words[1]
        else if not string match -q -- '-*' $word
            echo $word
            return
        end
    end
end

function __libcriu_is
    set -l command (__libcriu_command)
    contains -- "$command" $argv
end

complete -c libcriu -f
${[...flags.map((flag) => flagLine('', flag)), ...names].join('\n')}

${commands.map((command) => linesOf(command, commands)).join('\n\n')}
`;
}

function linesOf(
  { name, flags, arguments: kinds }: CompletedCommand,
  commands: readonly CompletedCommand[],
): string {
  const names = commands.map((command) => command.name).join(' ');
  const all = kinds.map((kind) =>
    optionsOf(kind === 'command' ? { words: names.split(' ') } : kind),
  );
  const own = [...new Set(all)]
    .filter((options) => options !== '')
    .map((options) => `complete -c libcriu -n '__libcriu_is ${name}' ${options}`);
  return [...own, ...flags.map((flag) => flagLine(name, flag))].join('\n');
}

function flagLine(command: string, { name, short, help, kind }: CompletedFlag): string {
  const letter = short === undefined ? '' : ` -s ${short}`;
  const value = kind === undefined ? '' : ` -r ${optionsOf(kind) || '-f'}`;
  const when = `'__libcriu_is ${command === '' ? '""' : command}'`;
  return `complete -c libcriu -n ${when} -l ${name}${letter}${value} -d ${quoted(help)}`;
}

/** What tells \`complete\` of a kind. */
function optionsOf(kind: Kind): string {
  if (typeof kind === 'object') return `-f -a '${kind.words.join(' ')}'`;
  const options: Readonly<Record<typeof kind, string>> = {
    file: '-F',
    directory: "-f -a '(__fish_complete_directories (commandline -ct))'",
    container: "-f -a '(libcriu list --quiet 2>/dev/null)'",
    process: "-f -a '(__fish_complete_pids)'",
    command: '',
    any: '',
  };
  return options[kind];
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, String.raw`\$&`)}'`;
}
