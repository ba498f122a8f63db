import { inspect } from 'node:util';
import type { Call } from '../../lib/options/schema.js';
import { validateOptions } from '../../lib/options/validate.js';

/** Every call that takes options. */
export const calls: Call[] = [
  'checkpoint',
  'dump',
  'preDump',
  'restore',
  'restoreContainer',
  'startPageServer',
  'startLazyPages',
];

/** What a call cannot do without. */
export const needed: Partial<Record<Call, Record<string, unknown>>> = {
  startPageServer: { address: '10.0.0.1' },
  startLazyPages: { address: 'a-host', port: 27 },
};

/** The error with which the options of a call are refused. */
export function refusal(call: Call, options: unknown): Error & { code: string } {
  try {
    validateOptions(call, options);
  } catch (error) {
    return error as Error & { code: string };
  }
  throw new Error(`${call} took ${inspect(options)}`);
}
