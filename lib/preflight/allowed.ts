import { type ConfigSetting, readConfigFile } from '../criu/config-file.js';
import { ownConfigFiles } from '../criu/environment.js';
import type { CriuFields } from '../native/contract.js';
import { toFields } from '../options/fields.js';
import type { DumpOptions } from '../options/types.js';

/**
 * What CRIU is allowed to do: by the options, by what a runtime adds to them, and by CRIU's own
 * configuration files.
 */
export interface Allowed {
  flags: ReadonlySet<Flag>;
  /** CRIU saves the content of a deleted file up to this number of bytes. */
  ghostLimit: number;
  /** The file systems of `enableFs`; `all` stands for any. */
  fileSystems: ReadonlySet<string>;
  skippedMounts: ReadonlySet<string>;
  /** The mount points that are external. */
  externalMounts: ReadonlySet<string>;
  /** The keys of other external resources, such as `file[1f:2a]`. */
  externals: ReadonlySet<string>;
  /** Whether CRIU may look through directories for the name of a watched file. */
  scansPaths: boolean;
  /** Whether streams to the journal are saved, or can be. A container's output is its runtime's. */
  journal: 'saved' | 'offered' | 'none';
}

/** The long options of CRIU that a finding can depend on. */
export type Flag =
  | 'tcp-established'
  | 'tcp-close'
  | 'skip-in-flight'
  | 'ext-unix-sk'
  | 'shell-job'
  | 'orphan-pts-master'
  | 'file-locks'
  | 'link-remap'
  | 'evasive-devices'
  | 'auto-ext-mnt'
  | 'enable-external-masters'
  | 'enable-external-sharing'
  | 'allow-uprobes'
  | 'lazy-pages';

/** CRIU's fields that are flags of its command line and configuration, too. */
const fieldFlags: readonly (readonly [keyof CriuFields, Flag])[] = [
  ['tcp_established', 'tcp-established'],
  ['tcp_close', 'tcp-close'],
  ['tcp_skip_in_flight', 'skip-in-flight'],
  ['ext_unix_sk', 'ext-unix-sk'],
  ['shell_job', 'shell-job'],
  ['orphan_pts_master', 'orphan-pts-master'],
  ['file_locks', 'file-locks'],
  ['link_remap', 'link-remap'],
  ['evasive_devices', 'evasive-devices'],
  ['auto_ext_mnt', 'auto-ext-mnt'],
  ['ext_masters', 'enable-external-masters'],
  ['ext_sharing', 'enable-external-sharing'],
  ['lazy_pages', 'lazy-pages'],
];
const flags: ReadonlySet<string> = new Set<Flag>([
  ...fieldFlags.map(([, flag]) => flag),
  'allow-uprobes',
]);

const defaultGhostLimit = 1024 * 1024;

/** An {@link Allowed} that is still being added to. */
interface Draft {
  flags: Set<Flag>;
  ghostLimit: number;
  fileSystems: Set<string>;
  skippedMounts: Set<string>;
  externalMounts: Set<string>;
  externals: Set<string>;
  scansPaths: boolean;
  journal: Allowed['journal'];
}

/** Adds up what the request and the configuration files that CRIU reads allow. */
export async function allowedBy(options: DumpOptions, added?: CriuFields): Promise<Allowed> {
  const fields: CriuFields = { ...added, ...toFields(options) };
  const offered = added === undefined ? 'offered' : 'none';
  const draft: Draft = {
    flags: new Set(),
    ghostLimit: defaultGhostLimit,
    fileSystems: new Set(),
    skippedMounts: new Set(),
    externalMounts: new Set(),
    externals: new Set(),
    scansPaths: false,
    journal: options.journal === true ? 'saved' : offered,
  };
  for (const file of ownConfigFiles()) await addFile(draft, file);
  addFields(draft, fields);
  // CRIU reads the request's own file last, so that it has the last word.
  if (fields.config_file !== undefined) await addFile(draft, fields.config_file);
  return draft;
}

function addFields(draft: Draft, fields: CriuFields): void {
  for (const [field, flag] of fieldFlags) {
    if (fields[field] === true) draft.flags.add(flag);
  }
  if (fields.ghost_limit !== undefined) draft.ghostLimit = fields.ghost_limit;
  for (const item of fields.external ?? []) addExternal(draft, item);
  for (const item of fields.enable_fs ?? []) addNames(draft.fileSystems, item);
  for (const item of fields.skip_mnt ?? []) draft.skippedMounts.add(item);
  if (fields.irmap_scan_paths !== undefined) draft.scansPaths = true;
  for (const [path] of fields.ext_mnt ?? []) draft.externalMounts.add(path);
}

/** CRIU compares external resources of these types with the whole text, so that a name is a part of it. */
const nameless: ReadonlySet<string> = new Set(['file', 'tty', 'unix']);

/**
 * Adds an external resource. `mnt[]` has CRIU find external mounts by itself, and the letters of its
 * key say what such mounts may share.
 */
function addExternal(draft: Draft, item: string): void {
  const [, type, id = '', key = ''] = /^([a-z]+)\[(.*)\](?::(.*))?$/s.exec(item) ?? [];
  if (type !== 'mnt') {
    if (type === undefined) return;
    draft.externals.add(nameless.has(type) ? item : `${type}[${id}]`);
    return;
  }
  if (id !== '') {
    draft.externalMounts.add(id);
    return;
  }
  draft.flags.add('auto-ext-mnt');
  if (key.includes('m')) draft.flags.add('enable-external-masters');
  if (key.includes('s')) draft.flags.add('enable-external-sharing');
}

/** What is wrong with a file is told by a check of its own. */
async function addFile(draft: Draft, path: string): Promise<void> {
  const settings = await readConfigFile(path).catch(() => []);
  for (const setting of settings) addSetting(draft, setting);
}

function addSetting(draft: Draft, { known, isNegated, value = '' }: ConfigSetting): void {
  const name = known?.name ?? '';
  if (flags.has(name)) {
    if (isNegated) draft.flags.delete(name as Flag);
    else draft.flags.add(name as Flag);
  } else if (name === 'external') addExternal(draft, value);
  else if (name === 'ext-mount-map') addMountMap(draft, value);
  else if (name === 'enable-fs') addNames(draft.fileSystems, value);
  else if (name === 'skip-mnt') draft.skippedMounts.add(value);
  else if (name === 'irmap-scan-path') draft.scansPaths = true;
  else if (name === 'ghost-limit') draft.ghostLimit = bytes(value) ?? draft.ghostLimit;
}

function addMountMap(draft: Draft, value: string): void {
  if (value === 'auto') draft.flags.add('auto-ext-mnt');
  else draft.externalMounts.add(value.split(':')[0] ?? '');
}

function addNames(names: Set<string>, list: string): void {
  for (const name of list.split(',')) names.add(name);
}

function bytes(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d+)([KMG]?)$/i.exec(text) ?? [];
  if (digits === undefined) return undefined;
  return Number(digits) * 1024 ** ' KMG'.indexOf(unit.toUpperCase() || ' ');
}
