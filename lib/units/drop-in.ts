/** How a service is started once, in another way than its own. */
export interface OtherStart {
  /** The program with its arguments. It ends when the service runs. */
  command: readonly string[];
  /** Where it writes the id of the service's main process. */
  pidFile: string;
  environment: Readonly<Record<string, string>>;
}

/**
 * The text of a drop-in with which a service is started by a command of ours, which gives it its main
 * process. That command is not confined as the service is (the `+`), and gets the memory and the threads
 * that it needs itself: the limits of the service hold again when the drop-in is taken away.
 */
export function dropInFor({ command, pidFile, environment }: OtherStart): string {
  const lines = [
    '# Made by libcriu to restore the service, which takes it away again.',
    '[Service]',
    'Type=forking',
    `PIDFile=${pidFile.replaceAll('%', '%%')}`,
    'GuessMainPID=no',
    'Restart=no',
    'TimeoutStartSec=infinity',
    'RemainAfterExit=no',
    // An empty value takes back the service's own.
    ...['ExecCondition', 'ExecStartPre', 'ExecStartPost', 'ExecStart'].map((name) => `${name}=`),
    `ExecStart=+${command.map(commandWord).join(' ')}`,
    ...Object.entries(environment).map(([name, value]) => {
      return `Environment=${quotedWord(`${name}=${value}`)}`;
    }),
    'UnsetEnvironment=NODE_OPTIONS',
    ...['MemoryMax', 'MemoryHigh', 'TasksMax'].map((name) => `${name}=infinity`),
  ];
  return `${lines.join('\n')}\n`;
}

/** A word of a setting, in which neither blanks nor specifiers have a meaning. */
function quotedWord(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replaceAll('%', '%%')}"`;
}

/** The same of a command line, where a dollar sign stands before a variable. */
function commandWord(text: string): string {
  return quotedWord(text.replaceAll('$', '$$$$'));
}
