import type { CompletedCommand, CompletedFlag, CompletedProgram, Kind } from './kinds.js';

/** The completion of zsh, to be sourced, or to be found as `_libcriu` in a directory of `fpath`. */
export function zshCompletion({ flags, commands }: CompletedProgram): string {
  return `#compdef libcriu
# zsh completion of libcriu, made by \`libcriu completion zsh\`.

_libcriu_commands() {
  local -a commands=(
${commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`).join('\n')}
  )
  _describe -t commands command commands
}

_libcriu_containers() {
  local -a names=(\${(f)"$(libcriu list --quiet 2>/dev/null)"})
  _wanted containers expl container compadd -a names
}

_libcriu_processes() {
  _wanted processes expl process compadd -- /proc/<->(:t)
}

_libcriu() {
  local curcontext="$curcontext" state
  local -a line
  typeset -A opt_args
  _arguments -C -S \\
${flags.map(flagSpec).join('')}    '1: :_libcriu_commands' \\
    '*:: :->command'
  [[ $state == command ]] || return
  curcontext="\${curcontext%:*}-$words[1]:"
  case $words[1] in
${commands.map(commandBranch).join('\n')}
  esac
}

if [[ $funcstack[1] == _libcriu ]]; then
  _libcriu "$@"
else
  compdef _libcriu libcriu
fi
`;
}

function commandBranch({ name, flags, arguments: kinds, runsProgram }: CompletedCommand): string {
  const specs = kinds.map((kind, index) => {
    // All behind a program is its own.
    const place = runsProgram && index === 0 ? '*::program' : `${index + 1}:argument`;
    return `      ${quoted(`${place}:${actionOf(kind)}`)}`;
  });
  const all = [...flags.map(flagSpec).map((spec) => `  ${spec.replace(/ \\\n$/, '')}`), ...specs];
  return `    ${name})\n      _arguments -S \\\n  ${all.join(' \\\n  ')}\n      ;;`;
}

function flagSpec({ name, short, help, kind, isRepeated }: CompletedFlag): string {
  const text = help.replace(/[\\[\]:]/g, String.raw`\$&`);
  const value = kind === undefined ? '' : `:value:${actionOf(kind)}`;
  const before = isRepeated ? '*' : '';
  const spec = `${before}--${name}${kind === undefined ? '' : '='}[${text}]${value}`;
  const ofLetter = short === undefined ? '' : `    ${quoted(`-${short}[${text}]${value}`)} \\\n`;
  return `    ${quoted(spec)} \\\n${ofLetter}`;
}

function actionOf(kind: Kind): string {
  if (typeof kind === 'object') return `(${kind.words.join(' ')})`;
  const actions: Readonly<Record<typeof kind, string>> = {
    file: '_files',
    directory: '_files -/',
    container: '_libcriu_containers',
    process: '_libcriu_processes',
    command: '_libcriu_commands',
    any: ' ',
  };
  return actions[kind];
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
