import { accessSync, constants, existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { hasCriuSource } from '../../tools/criu-source.mjs';
import { criuBinary, distCli, distIndex, prefix, protoDirectory } from './paths.js';

function isCommand(name: string): boolean {
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;
  return path.split(':').some((directory) => {
    try {
      accessSync(resolve(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

const needs = {
  root: () => process.geteuid?.() === 0,
  criu: () => existsSync(criuBinary),
  libcriu: () => existsSync(resolve(prefix, 'lib/libcriu.so.2')) || isCommand('criu'),
  'rpc.proto': () => existsSync(resolve(protoDirectory, 'rpc.proto')),
  build: () => existsSync(distIndex) && existsSync(distCli),
  runc: () => isCommand('runc'),
  docker: () => isCommand('dockerd') && isCommand('docker'),
  podman: () => isCommand('podman'),
  containerd: () => isCommand('containerd') && isCommand('ctr'),
  checkpointctl: () => isCommand('checkpointctl'),
  busybox: () => isCommand('busybox'),
  gcc: () => isCommand('gcc'),
  strace: () => isCommand('strace'),
  protoc: () => isCommand('protoc'),
  crit: () => hasCriuSource(),
  setpriv: () => isCommand('setpriv'),
  script: () => isCommand('script'),
  bash: () => isCommand('bash'),
  zsh: () => isCommand('zsh'),
  fish: () => isCommand('fish'),
  mandoc: () => isCommand('mandoc'),
  ip: () => isCommand('ip'),
  openssl: () => isCommand('openssl'),
  iptables: () => isCommand('iptables-restore'),
  prlimit: () => isCommand('prlimit'),
  nft: () => isCommand('nft'),
} satisfies Record<string, () => boolean>;

export type Need = keyof typeof needs;

/**
 * Fails, naming what is missing, when the machine lacks something that a test is about: a suite
 * that skips what it cannot run would pass on a machine where nothing works.
 */
export function requireNeeds(...names: Need[]): void {
  const missing = names.filter((name) => !needs[name]());
  if (missing.length > 0) {
    throw new Error(
      `this test needs ${missing.join(', ')}: run "npm run setup" and "npm run build" as root`,
    );
  }
}
