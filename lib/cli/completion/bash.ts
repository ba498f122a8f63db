import type { CompletedCommand, CompletedFlag, CompletedProgram, Kind } from './kinds.js';

/** What is completed before a command is there, or behind one. */
type Level = Pick<CompletedCommand, 'name' | 'flags' | 'arguments'>;

/** The completion of bash, which needs no package of functions for completions. */
export function bashCompletion({ flags, commands }: CompletedProgram): string {
  const levels: readonly Level[] = [{ name: '', flags, arguments: ['command'] }, ...commands];
  const programs = commands.filter(({ runsProgram }) => runsProgram).map(({ name }) => name);
  return `# bash completion of libcriu, made by \`libcriu completion bash\`.
# Names of commands are told apart from what stands before the command by the empty name.

_libcriu_commands='${commands.map(({ name }) => name).join(' ')}'
_libcriu_programs=' ${programs.join(' ')} '

# Sets flags to those of a command.
_libcriu_flags() {
    case $1 in
${levels.map(({ name, flags: own }) => branch(`'${name}'`, assign('flags', words(own)))).join('\n')}
        *) flags='' ;;
    esac
}

# Sets kind to what the value of a command's flag is; to nothing for a flag without a value.
_libcriu_value() {
    case $1:$2 in
${levels.flatMap(valueBranches).join('\n')}
        *) kind='' ;;
    esac
}

# Sets kind to what the argument of a command is that has so many others before it.
_libcriu_argument() {
    case $1:$2 in
${levels.flatMap(argumentBranches).join('\n')}
        *) kind='' ;;
    esac
}
${functions}`;
}

function words(flags: readonly CompletedFlag[]): string {
  return flags.map(({ name }) => `--${name}`).join(' ');
}

function branch(pattern: string, does: string): string {
  return `        ${pattern}) ${does} ;;`;
}

function assign(name: string, value: string): string {
  return `${name}='${value}'`;
}

function inText(kind: Kind): string {
  return typeof kind === 'string' ? kind : `words ${kind.words.join(' ')}`;
}

/** A branch for each kind of value that the flags of a command have. */
function valueBranches({ name, flags }: Level): string[] {
  const byKind = new Map<string, string[]>();
  for (const { name: flag, short, kind } of flags) {
    if (kind === undefined) continue;
    const text = inText(kind);
    const patterns = [flag, ...(short === undefined ? [] : [short])].map(
      (one) => `${name}:--${one}`,
    );
    byKind.set(text, [...(byKind.get(text) ?? []), ...patterns]);
  }
  return [...byKind].map(([text, patterns]) => branch(patterns.join('|'), assign('kind', text)));
}

function argumentBranches({ name, arguments: kinds }: Level): string[] {
  return kinds.map((kind, index) => branch(`${name}:${index}`, assign('kind', inText(kind))));
}

const functions = `
# Completes a word by its kind.
_libcriu_complete() {
    local kind=$1 cur=$2 word
    case $kind in
        file | directory)
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -A "$kind" -- "$cur")
            ;;
        command) mapfile -t COMPREPLY < <(compgen -W "$_libcriu_commands" -- "$cur") ;;
        words*) mapfile -t COMPREPLY < <(compgen -W "\${kind#words}" -- "$cur") ;;
        process)
            for word in /proc/[0-9]*; do
                word=\${word#/proc/}
                [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
            done
            ;;
        container)
            while read -r word; do
                # A name that is more than a word to the shell is not offered.
                [[ $word == *[^[:alnum:]_./@+-]* || $word != "$cur"* ]] || COMPREPLY+=("$word")
            done < <("$3" list --quiet 2>/dev/null)
            ;;
    esac
}

_libcriu() {
    local command='' flag='' isEnded='' count=0 kind flags word i
    local cur=\${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=\${COMP_WORDS[i]}
        # To bash the = of --flag=value is a word of its own.
        if [[ $word == = ]]; then
            [[ -n $flag ]] || flag=--boolean
        elif [[ -n $flag ]]; then
            flag=''
        elif [[ -z $isEnded && $word == -- ]]; then
            isEnded=1
        elif [[ -z $isEnded && $word == -?* ]]; then
            # As for runc, one dash is as good as two.
            [[ $word == --* ]] || word=-$word
            _libcriu_value "$command" "$word"
            [[ -z $kind ]] || flag=$word
        elif [[ -z $command ]]; then
            command=$word
        else
            count=$((count + 1))
            if [[ $_libcriu_programs == *" $command "* ]]; then
                _libcriu_complete file "$cur" "$1"
                return
            fi
        fi
    done
    if [[ $cur == = ]]; then
        [[ -n $flag ]] || flag=--boolean
        cur=''
    fi
    if [[ $flag == --boolean ]]; then
        kind='words true false'
    elif [[ -n $flag ]]; then
        _libcriu_value "$command" "$flag"
    elif [[ -z $isEnded && $cur == -* ]]; then
        _libcriu_flags "$command"
        kind="words $flags"
    else
        _libcriu_argument "$command" "$count"
    fi
    _libcriu_complete "$kind" "$cur" "$1"
}

complete -F _libcriu libcriu
`;
