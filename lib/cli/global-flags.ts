import { helpFlag } from './command.js';
import type { Flag } from './flags.js';

/** The flags that stand before the command. */
export const globalFlags: readonly Flag[] = [
  { name: 'debug', help: "log more, and with an error CRIU's own words" },
  { name: 'log', placeholder: 'FILE', help: 'file to log to (default: standard error)' },
  { name: 'log-format', placeholder: 'text|json', help: 'form of the log (default: text)' },
  {
    name: 'root',
    placeholder: 'DIR',
    help:
      'directory where the runtime keeps the state of containers (default: those of runc, crun, ' +
      'docker, podman, containerd and CRI-O)',
  },
  // Callers of runc pass these two flags with every command.
  { name: 'systemd-cgroup', help: "taken for runc's sake; the container's state tells" },
  { name: 'rootless', placeholder: 'BOOL', help: "taken for runc's sake; has no effect" },
  helpFlag,
  { name: 'version', short: 'v', help: 'print the version' },
];
