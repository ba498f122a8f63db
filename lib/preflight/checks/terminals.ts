import { option, sentence } from '../../base/sentence.js';
import { type Device, isSameDevice } from '../../linux/device.js';
import { shownPath } from '../../linux/paths.js';
import type { Task } from '../../linux/process-tree.js';
import { nameOf, type Scan } from '../scan.js';

/** A terminal that a task has open. */
interface OpenTerminal {
  readonly task: Task;
  readonly fd: number;
  readonly path: string;
  readonly device: Device;
  /** The text of its file in `/proc/PID/fdinfo`. */
  readonly info: string;
}

/** The terminals that the tasks of the tree have open. */
export type Terminals = Set<OpenTerminal>;

const auxiliaryMajor = 5;
const ownTerminal: Device = { major: auxiliaryMajor, minor: 0 };
const consoleMajor = 4;
const lastConsole = 63;
const firstMasterMajor = 128;
const slaveMajor = 136;
const serialMajors: readonly number[] = [188, 204];

/** Whether CRIU takes the device for a terminal. */
export function isTerminal({ major, minor }: Device): boolean {
  if (major === auxiliaryMajor) return minor <= 2;
  if (major === consoleMajor) return minor >= 1 && minor <= lastConsole;
  return (
    (major >= firstMasterMajor && major <= slaveMajor) || serialMajors.some((one) => one === major)
  );
}

function isSlave({ device: { major } }: OpenTerminal): boolean {
  return major === slaveMajor;
}

function byDescriptor(a: OpenTerminal, b: OpenTerminal): number {
  return a.fd - b.fd;
}

/** Looks at the session and the terminals, which a shell's job shares with what is outside. */
export function checkTerminals(scan: Scan, terminals: Terminals): void {
  checkSession(scan);
  checkControlling(scan, terminals);
  checkPairs(scan, terminals);
}

function checkSession({ root, tasks, report, allowed }: Scan): void {
  // One that has joined the namespace (nsenter) brings its session along, as a zombie, too.
  for (const { pid } of tasks.filter(({ innerSession }) => innerSession === 0)) {
    report({
      code: 'session',
      severity: 'fails',
      pid,
      subject: 'session',
      message:
        `The leader of process ${pid}'s session is outside of its pid namespace: start it with ` +
        'setsid',
    });
  }
  const { pid, innerPid, innerSession } = root;
  if (innerSession === 0) return;
  if (innerPid === innerSession || allowed.flags.has('shell-job')) return;
  report({
    code: 'session',
    severity: 'needs-option',
    pid,
    subject: `session ${root.session}`,
    option: 'shellJob',
    value: true,
    message: sentence`Process ${pid} does not lead its session (${root.session} does): pass
      ${option('shellJob', true)}, or start it with setsid`,
  });
}

/** A controlling terminal belongs to a session, whose leader has to be in the tree. */
function checkControlling({ tasks, report, allowed }: Scan, terminals: Terminals): void {
  if (allowed.flags.has('shell-job')) return;
  const pids = new Set(tasks.map(({ pid }) => pid));
  for (const { task, fd, path, device } of [...terminals].sort(byDescriptor)) {
    const { terminal, session, pid } = task;
    // The device /dev/tty stands for the terminal of whoever opens it.
    const isOwn = isSameDevice(device, ownTerminal) && terminal.major !== 0;
    const isControlling = isOwn || isSameDevice(device, terminal);
    if (!isControlling || pids.has(session)) continue;
    report({
      code: 'terminal',
      severity: 'needs-option',
      pid,
      fd,
      subject: path,
      option: 'shellJob',
      value: true,
      message: sentence`${nameOf({ pid, fd })} is its controlling terminal ${shownPath(path)}, whose
        session is led from outside of the tree: pass ${option('shellJob', true)}`,
    });
  }
}

/**
 * CRIU allows one terminal whose master is outside of the tree. The master is mostly with a terminal
 * emulator or an SSH server.
 */
function checkPairs(scan: Scan, terminals: Terminals): void {
  const orphans = orphansOf(terminals);
  const [first] = orphans;
  if (!first) return;
  const second = orphans.find((one) => one.device.minor !== first.device.minor);
  if (second) reportSecond(scan, first, second);
  reportOrphan(scan, first);
}

/** The slaves whose master is outside of the tree. */
function orphansOf(terminals: Terminals): OpenTerminal[] {
  const masters = new Set(
    [...terminals].map(({ info }) => /^tty-index:\s*(\d+)$/m.exec(info)?.[1]).map(Number),
  );
  // A slave whose master is closed has no name any more, and CRIU lets it be.
  const hasName = ({ path }: OpenTerminal): boolean => !/\(deleted\)$/.test(path);
  return [...terminals]
    .filter((one) => isSlave(one) && !masters.has(one.device.minor) && hasName(one))
    .sort(byDescriptor);
}

function reportSecond({ report }: Scan, first: OpenTerminal, second: OpenTerminal): void {
  report({
    code: 'terminal',
    severity: 'fails',
    pid: second.task.pid,
    fd: second.fd,
    subject: second.path,
    message:
      `The tree uses the terminals ${shownPath(first.path)} and ${shownPath(second.path)}, whose ` +
      'masters are both outside of it, and CRIU allows only one: close one of them',
  });
}

function reportOrphan({ report, allowed }: Scan, { task, fd, path }: OpenTerminal): void {
  if (allowed.flags.has('shell-job') || allowed.flags.has('orphan-pts-master')) return;
  report({
    code: 'terminal',
    severity: 'needs-option',
    pid: task.pid,
    fd,
    subject: path,
    option: 'shellJob',
    value: true,
    message: sentence`${nameOf({ pid: task.pid, fd })} is the terminal ${shownPath(path)}, whose
      master is outside of the tree: pass ${option('shellJob', true)}`,
  });
}
