import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf } from '../base/errors.js';
import type { Host } from './host.js';

/** Where systemd looks for the files of units of the system, the ones that come first win. */
const directories = [
  '/etc/systemd/system.control',
  '/run/systemd/system.control',
  '/run/systemd/transient',
  '/run/systemd/generator.early',
  '/etc/systemd/system',
  '/run/systemd/system',
  '/run/systemd/generator',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
  '/run/systemd/generator.late',
];

/** The words that a service has been given for each setting of its section `[Service]`. */
export type ServiceSettings = ReadonlyMap<string, readonly string[]>;

/**
 * Reads what the files of a service say, as systemd does: its own file or that of its template, then the
 * drop-ins in the order of their names. What systemd was told without a file is not among it.
 *
 * @param name - With its suffix.
 * @returns undefined when there is no file of it.
 */
export function readServiceSettings(
  name: string,
  { systemRoot }: Host,
): ServiceSettings | undefined {
  const places = directories.map((directory) => join(systemRoot, directory));
  const text = firstOf(namesOf(name).flatMap((one) => places.map((place) => join(place, one))));
  if (text === undefined) return undefined;
  const settings = new Map<string, readonly string[]>();
  for (const part of [text, ...dropIns(name, places)]) addSettings(settings, part);
  return settings;
}

/** Its own name, and that of its template: `web@1.service`, `web@.service`. */
function namesOf(name: string): string[] {
  const template = name.replace(/^([^@]+@)[^@]+(\.service)$/, '$1$2');
  return template === name ? [name] : [name, template];
}

/** The texts of all drop-ins. Of two that have one name the first directory's counts. */
function dropIns(name: string, places: readonly string[]): string[] {
  const found = new Map<string, string>();
  for (const owner of [...namesOf(name), ...prefixesOf(name), 'service']) {
    for (const place of places) {
      const directory = join(place, `${owner}.d`);
      for (const file of filesIn(directory)) {
        if (!found.has(file)) found.set(file, join(directory, file));
      }
    }
  }
  const files = [...found].sort(([a], [b]) => (a < b ? -1 : 1));
  return files.flatMap(([, path]) => textOf(path) ?? []);
}

/** The names of drop-ins for all units that begin alike: `foo-bar-.service`, `foo-.service`. */
function prefixesOf(name: string): string[] {
  const parts = name.replace(/\.service$/, '').split('-');
  const lengths = parts.slice(1).map((_, index) => parts.length - 1 - index);
  return lengths.map((length) => `${parts.slice(0, length).join('-')}-.service`);
}

function addSettings(settings: Map<string, readonly string[]>, text: string): void {
  let section = '';
  for (const line of text
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((one) => one.trim())) {
    section = /^\[(.*)\]$/.exec(line)?.[1] ?? section;
    const [, key = '', value = ''] = /^([A-Za-z]\w*)\s*=\s*(.*)$/.exec(line) ?? [];
    if (section !== 'Service' || key === '') continue;
    // An empty value takes back what was said before.
    const before = value === '' ? [] : (settings.get(key) ?? []);
    settings.set(key, [...before, ...value.split(/\s+/).filter(Boolean)]);
  }
}

function filesIn(directory: string): string[] {
  const names = attempt(() => readdirSync(directory)) ?? [];
  return names.filter((name) => name.endsWith('.conf'));
}

function firstOf(paths: readonly string[]): string | undefined {
  for (const path of paths) {
    const text = textOf(path);
    if (text !== undefined) return text;
  }
  return undefined;
}

function textOf(path: string): string | undefined {
  return attempt(() => readFileSync(path, 'utf8'));
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES', 'EISDIR', 'EINVAL'].includes(errnoOf(error) ?? '')) {
      return undefined;
    }
    throw error;
  }
}

/** The values of `Restart=` with which a service is started anew when a signal has ended it. */
const afterSignal: ReadonlySet<string> = new Set([
  'always',
  'on-failure',
  'on-abnormal',
  'on-abort',
]);
/** And those with which it is if that end counts as a success. */
const afterSuccess: ReadonlySet<string> = new Set(['always', 'on-success']);

/**
 * Whether systemd starts a service anew when SIGKILL has ended it.
 *
 * @returns the value of `Restart=` that is why; undefined when it does not.
 */
export function restartAfterKill(settings: ServiceSettings): string | undefined {
  const has = (key: string): boolean =>
    settings.get(key)?.some((word) => word === 'SIGKILL' || word === 'KILL') ?? false;
  const restart = settings.get('Restart')?.at(-1) ?? 'no';
  if (has('RestartPreventExitStatus')) return undefined;
  const reasons = has('SuccessExitStatus') ? afterSuccess : afterSignal;
  return reasons.has(restart) || has('RestartForceExitStatus') ? restart : undefined;
}
