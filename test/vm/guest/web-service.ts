import type { Scope } from '../../helpers/cleanup.js';
import { page } from '../../helpers/markdown.js';
import { counter, writeUnitFile } from './service.js';

/** Writes the unit files of docs/systemd.md to where their first lines say. */
export async function writeDocumentedUnits(scope: Scope): Promise<void> {
  for (const { language, text } of page('docs/systemd.md').blocks) {
    const [, path] = /^# (\/etc\/systemd\/\S+)\n/.exec(text) ?? [];
    if (language === 'ini' && path !== undefined) await writeUnitFile(scope, path, text);
  }
}

/** The file of a service that counts, with more settings. */
export const web = (...more: string[]): string =>
  `[Service]\nExecStart=${counter}\n${more.map((line) => `${line}\n`).join('')}`;
