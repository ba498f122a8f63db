/** A line of `/proc/PID/status`, without its name; empty when there is none. */
export function statusField(status: string, name: string): string {
  return new RegExp(`^${name}:[ \\t]*(.*?)[ \\t]*$`, 'm').exec(status)?.[1] ?? '';
}

/** Bytes of which a line tells in KiB; 0 when there is none. */
export function statusBytes(status: string, name: string): number {
  return Number.parseInt(statusField(status, name) || '0', 10) * 1024;
}
