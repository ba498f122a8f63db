import { statusField } from './process-status.js';

/** The kernel's numbers of the capabilities that CRIU can need. */
const numbers = {
  CAP_NET_ADMIN: 12,
  CAP_SYS_CHROOT: 18,
  CAP_SYS_PTRACE: 19,
  CAP_SYS_ADMIN: 21,
  CAP_SYS_RESOURCE: 24,
  CAP_CHECKPOINT_RESTORE: 40,
} as const;

/** A capability, by the kernel's name of it. */
export type Capability = keyof typeof numbers;

/** A set of capabilities, one bit each, from the text of a status file. */
export function capabilitySet(status: string, name: 'CapEff' | 'CapPrm'): bigint {
  const digits = /^[0-9a-f]+$/.exec(statusField(status, name))?.[0] ?? '0';
  return BigInt(`0x${digits}`);
}

/** Whether a capability is in a set. */
export function hasCapability(set: bigint, name: Capability): boolean {
  return (set & (1n << BigInt(numbers[name]))) !== 0n;
}
