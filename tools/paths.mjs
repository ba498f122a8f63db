// @ts-check
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';

/** The package's own directory. */
export const root = resolve(import.meta.dirname, '..');

/** Whether this is the repository, and not the package as a user installed it. */
export const isCheckout = existsSync(join(root, 'package-lock.json'));

/** A command that npm installed for development. @param {string} name */
export const tool = (name) => join(root, 'node_modules', '.bin', name);
