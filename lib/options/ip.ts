// Few calls have an address, and what Node.js loads for node:net is part of what the import costs.

/** As that of `node:net`. */
export function isIP(text: string): number {
  return process.getBuiltinModule('node:net').isIP(text);
}

/** As that of `node:net`. */
export function isIPv6(text: string): boolean {
  return process.getBuiltinModule('node:net').isIPv6(text);
}
