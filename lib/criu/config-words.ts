import { option, type Sentence, sentence } from '../base/sentence.js';

/** What CRIU takes behind a word: nothing, a value, or a value that must be attached by `=`. */
export type WordValue = 'none' | 'value' | 'attached';

/** A word of CRIU's configuration files: a long option of its command line. */
export interface ConfigWord {
  readonly name: string;
  readonly takes: WordValue;
  /** Whether there is the same word with `no-` in front of it. */
  readonly hasNegation?: true;
  /**
   * How the word makes the request another one, as the end of a sentence. Without it, the word
   * decides only how the request is carried out, and is obeyed.
   */
  readonly changes?: Sentence;
  /** The same of its negation, where it comes after the request and overrides that. */
  readonly negationChanges?: Sentence;
  /** The request overrides it in CRIU's own files, which are read before the request. */
  readonly isOverridden?: true;
  /** Its value names code that CRIU runs. */
  readonly namesCode?: true;
}

const tasks = 'decides which tasks are dumped';
const endsCriu = 'ends CRIU before it does anything';
const ofProcess = 'is for a descriptor that a configuration file cannot know';
const elsewhere = (what: string): string => `leads ${what} elsewhere`;
const byOption = (text: string, name: string): Sentence =>
  sentence`${text}; the option ${option(name)} does that`;

/** Words that change what is done, where it is kept, or what becomes of the tasks. */
const changing: readonly ConfigWord[] = [
  { name: 'tree', takes: 'value', changes: tasks },
  { name: 'leave-stopped', takes: 'none', changes: left('leaveStopped') },
  { name: 'leave-running', takes: 'none', changes: left('leaveRunning') },
  { name: 'restore-detached', takes: 'none', hasNegation: true, changes: parentOf() },
  { name: 'restore-sibling', takes: 'none', hasNegation: true, changes: parentOf() },
  { name: 'daemon', takes: 'none', hasNegation: true, changes: parentOf() },
  {
    name: 'images-dir',
    takes: 'value',
    changes: byOption(elsewhere('the images'), 'imagePath'),
    isOverridden: true,
  },
  {
    name: 'work-dir',
    takes: 'value',
    changes: byOption(elsewhere('the log'), 'workPath'),
  },
  {
    name: 'prev-images-dir',
    takes: 'value',
    changes: byOption('makes the images depend on others', 'parentPath'),
  },
  {
    name: 'auto-dedup',
    takes: 'none',
    hasNegation: true,
    changes: byOption('takes out of images what is in later ones or restored', 'autoDedup'),
  },
  { name: 'stream', takes: 'none', hasNegation: true, changes: elsewhere('the images') },
  {
    name: 'page-server',
    takes: 'none',
    hasNegation: true,
    changes: byOption(elsewhere('the memory'), 'pageServer'),
  },
  { name: 'address', takes: 'value', changes: byOption(elsewhere('the memory'), 'pageServer') },
  { name: 'port', takes: 'value', changes: byOption(elsewhere('the memory'), 'pageServer') },
  {
    name: 'lazy-pages',
    takes: 'none',
    changes: byOption('leaves the memory out of the images', 'lazyPages'),
  },
  { name: 'freeze-cgroup', takes: 'value', changes: byOption('freezes a cgroup', 'freezeCgroup') },
  { name: 'pidfile', takes: 'value', changes: 'has CRIU write a file' },
  { name: 'exec-cmd', takes: 'none', changes: 'has CRIU run a program instead of what follows' },
  { name: 'ps-socket', takes: 'value', changes: ofProcess },
  { name: 'status-fd', takes: 'value', changes: ofProcess },
  { name: 'inherit-fd', takes: 'value', changes: byOption(ofProcess, 'inheritFd') },
  { name: 'close', takes: 'value', changes: ofProcess },
  { name: 'help', takes: 'none', changes: endsCriu },
  { name: 'version', takes: 'none', changes: endsCriu },
  { name: 'feature', takes: 'value', changes: endsCriu },
  { name: 'ms', takes: 'none', changes: endsCriu },
];

/** Words that change only how it is done. */
const obeyed: readonly ConfigWord[] = [
  { name: 'log-file', takes: 'value', isOverridden: true },
  {
    name: 'tls',
    takes: 'none',
    hasNegation: true,
    negationChanges: 'has memory travel without encryption',
  },
  { name: 'action-script', takes: 'value', namesCode: true },
  { name: 'libdir', takes: 'value', namesCode: true },
  // CRIU looks for these two on its command line alone.
  { name: 'config', takes: 'value' },
  { name: 'no-default-config', takes: 'none' },
  ...named('attached', ['ext-unix-sk', 'cpu-cap', 'manage-cgroups', 'verbosity']),
  ...named('none', [
    'enable-external-sharing',
    'enable-external-masters',
    'all',
    'tls-no-cn-verify',
  ]),
  ...named('value', [
    'join-ns',
    'root',
    'veth-pair',
    'ext-mount-map',
    'cgroup-root',
    'skip-mnt',
    'enable-fs',
    'ghost-limit',
    'irmap-scan-path',
    'lsm-profile',
    'lsm-mount-context',
    'timeout',
    'external',
    'empty-ns',
    'cgroup-props',
    'cgroup-props-file',
    'cgroup-dump-controller',
    'cgroup-yard',
    'tls-cacert',
    'tls-cacrl',
    'tls-cert',
    'tls-key',
    'pre-dump-mode',
    'file-validation',
    'network-lock',
  ]),
  ...named('none', [
    'tcp-established',
    'log-pid',
    'evasive-devices',
    'link-remap',
    'shell-job',
    'file-locks',
    'track-mem',
    'force-irmap',
    'extra',
    'experimental',
    'skip-in-flight',
    'deprecated',
    'display-stats',
    'weak-sysctls',
    'tcp-close',
    'skip-file-rwx-check',
    'mntns-compat-mode',
    'unprivileged',
    'ghost-fiemap',
    'allow-uprobes',
  ]).map((word): ConfigWord => ({ ...word, hasNegation: true })),
];

/** All words that CRIU 4.2 knows. */
export const configWords: readonly ConfigWord[] = [...changing, ...obeyed];

function left(name: string): Sentence {
  return byOption('decides what becomes of the tasks', name);
}

function parentOf(): Sentence {
  return byOption('decides whose children restored tasks are', 'restoreSibling');
}

function named(takes: WordValue, names: readonly string[]): ConfigWord[] {
  return names.map((name) => ({ name, takes }));
}
