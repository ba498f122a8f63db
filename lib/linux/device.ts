/** The two numbers of a device. */
export interface Device {
  readonly major: number;
  readonly minor: number;
}

/** The numbers of a device as stat(2) gives it. */
export function splitDevice(dev: bigint): Device {
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n);
  const minor = (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n);
  return { major: Number(major), minor: Number(minor) };
}

/** Whether two devices are the same. */
export function isSameDevice(a: Device, b: Device): boolean {
  return a.major === b.major && a.minor === b.minor;
}
