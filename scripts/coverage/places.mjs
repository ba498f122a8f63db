// @ts-check
import { join } from 'node:path';
import { root } from '../../tools/paths.mjs';

/** What is collected, and told. */
export const directory = join(root, 'coverage');
/** Where each run of vitest has a directory for what it tells. */
export const ownDirectory = join(directory, 'vitest');
/** Where each child process leaves what it has run: the value of NODE_V8_COVERAGE. */
export const childDirectory = join(directory, 'children');
