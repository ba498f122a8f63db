import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { distCli } from './paths.js';
import type { Scope } from './scope.js';
import { runOk } from './system/exec.js';

/** A shell that has loaded the completions of libcriu. */
export interface CompletingShell {
  /** What it would complete a command line with, at its end. */
  complete(line: string): Promise<string[]>;
}

/** A place with the command in its PATH. */
interface Place {
  directory: string;
  env: NodeJS.ProcessEnv;
  script: string;
}

async function place(scope: Scope, shell: string): Promise<Place> {
  const directory = await scope.directory();
  const bin = join(directory, 'bin');
  await mkdir(bin);
  await symlink(distCli, join(bin, 'libcriu'));
  const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}`, HOME: directory };
  const script = join(directory, `libcriu.${shell}`);
  await writeFile(script, await runOk('libcriu', ['completion', shell], { env }));
  return { directory, env, script };
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

/** The words of a line as bash has them: it parts them at `=` too. */
const bashAsks = `
source "$1"
words=()
while read -r word; do words+=("$word"); done
COMP_WORDS=("\${words[@]}")
COMP_CWORD=$((\${#words[@]} - 1))
"$(complete -p libcriu | sed 's/.*-F \\([^ ]*\\).*/\\1/')" libcriu
printf '%s\\n' "\${COMPREPLY[@]}"
`;

/** Asks the function that `complete` has been told of, as bash does. */
export async function bash(scope: Scope, cwd: string): Promise<CompletingShell> {
  const { directory, env, script } = await place(scope, 'bash');
  const input = join(directory, 'words');
  return {
    async complete(line) {
      const words = line.replaceAll('=', ' = ').split(/ +/);
      // A line that ends with = is completed behind it.
      if (line.endsWith('=')) words.pop();
      await writeFile(input, `${words.join('\n')}\n`);
      const program = `exec <"$2"${bashAsks}`;
      return lines(await runOk('bash', ['-c', program, 'bash', script, input], { env, cwd }));
    },
  };
}

/** Asks fish itself. */
export async function fish(scope: Scope, cwd: string): Promise<CompletingShell> {
  const { env, script } = await place(scope, 'fish');
  return {
    async complete(line) {
      const program = 'source $argv[1]; complete -C $argv[2]';
      const printed = await runOk('fish', ['--no-config', '-c', program, script, line], {
        env,
        cwd,
      });
      return lines(printed).map((one) => one.split('\t')[0] ?? '');
    },
  };
}

/**
 * What a zsh loads that is to be asked: all that is offered to somebody who presses Tab is written to a file,
 * and an end when Control-P is pressed behind that.
 */
const zshIsAsked = `
PS1=
autoload -Uz compinit && compinit -D -u
source "$SCRIPT"
compadd() {
  local -a offered
  if [[ " $* " != *' -'[OAD]' '* ]]; then
    builtin compadd -O offered "$@"
    (( $#offered )) && print -rl -- $offered >>"$OFFERED"
  fi
  builtin compadd "$@"
}
told() { print END >>"$OFFERED" }
zle -N told
bindkey '^P' told
bindkey '^U' kill-whole-line
bindkey '^I' complete-word
told
`;

/** Presses Tab behind each line that it reads, and prints what is offered. */
const zshAsks = `
zmodload zsh/zpty
zmodload zsh/zselect
zpty -b asked zsh -f -i
zpty -w asked "source $SETUP"
until_told() {
  repeat 1000; do
    # A terminal that nobody reads from would stand still.
    while zpty -r -t asked said; do :; done
    [[ -e $OFFERED && "$(<$OFFERED)" == *END ]] && return
    zselect -t 1
  done
}
until_told
while IFS= read -r line; do
  : >"$OFFERED"
  zpty -n -w asked "$line"$'\\t\\x10\\x15'
  until_told
  cat "$OFFERED"
done
`;

/** Presses Tab in a zsh on a terminal. */
export async function zsh(scope: Scope, cwd: string): Promise<CompletingShell> {
  const { directory, env, script } = await place(scope, 'zsh');
  const [setup, offered] = [join(directory, 'setup.zsh'), join(directory, 'offered')];
  await writeFile(setup, zshIsAsked);
  const asking = spawn('zsh', ['-f', '-c', zshAsks], {
    env: { ...env, SCRIPT: script, OFFERED: offered, SETUP: setup, TERM: 'vt100' },
    cwd,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(asking, 'exit');
  scope.defer(async () => {
    asking.stdin.end();
    await ended;
  });
  const answers = createInterface(asking.stdout)[Symbol.asyncIterator]();
  return {
    async complete(line) {
      asking.stdin.write(`${line}\n`);
      const words: string[] = [];
      for (;;) {
        const { value, done } = await answers.next();
        if (done === true) throw new Error('zsh has ended');
        if (value === 'END') return words;
        words.push(value);
      }
    },
  };
}
