// What the compiler must take and refuse of the options. It is checked by `npm run typecheck` and
// `npm run lint`; nothing here runs.
import type { CriuFields } from '../../lib/native/contract.js';
import type {
  CheckpointOptions,
  CheckpointSelfOptions,
  DumpOptions,
  LazyPagesOptions,
  PageServerOptions,
  PreDumpOptions,
  RestoreContainerOptions,
  RestoreOptions,
} from '../helpers/api.js';
import {
  checkpoint,
  dump,
  explain,
  iterate,
  preDump,
  restore,
  restoreContainer,
  startLazyPages,
  startPageServer,
} from '../helpers/api.js';

/** The names of the members that must be given. */
type Required<Options> = {
  [Name in keyof Options]-?: Record<never, never> extends Pick<Options, Name> ? never : Name;
}[keyof Options];
type IsSame<A, B> = [A, B] extends [B, A] ? true : false;

/** Every call, with the names of the options that it must be given. */
export const required: [
  IsSame<Required<CheckpointOptions>, never>,
  IsSame<Required<DumpOptions>, never>,
  IsSame<Required<PreDumpOptions>, never>,
  IsSame<Required<CheckpointSelfOptions>, never>,
  IsSame<Required<RestoreOptions>, never>,
  IsSame<Required<RestoreContainerOptions>, never>,
  IsSame<Required<PageServerOptions>, 'address'>,
  IsSame<Required<LazyPagesOptions>, 'address' | 'port'>,
] = [true, true, true, true, true, true, true, true];

export function servers(): unknown[] {
  return [
    startPageServer({ address: '::1' }),
    startLazyPages({ address: '::1', port: 27 }),
    // @ts-expect-error no options
    startPageServer(),
    // @ts-expect-error no address
    startPageServer({}),
    // @ts-expect-error no address
    startPageServer({ address: undefined }),
    // @ts-expect-error no options
    startLazyPages(),
    // @ts-expect-error neither address nor port
    startLazyPages({}),
    // @ts-expect-error no port
    startLazyPages({ address: '::1' }),
    // @ts-expect-error no address
    startLazyPages({ port: 27 }),
  ];
}

export function stateRoots(): unknown[] {
  return [
    checkpoint('web', { stateRoot: '/run/runc' }),
    restoreContainer('web', { stateRoot: '/run/runc' }),
    explain('web', { stateRoot: '/run/runc' }),
    iterate('web', { stateRoot: '/run/runc' }),
    dump(4711, { root: '/srv' }),
    preDump(4711, { root: '/srv' }),
    restore('/srv/images', { root: '/srv' }),
    // @ts-expect-error root is CRIU's, of a process
    checkpoint('web', { root: '/run/runc' }),
    // @ts-expect-error root is CRIU's, of a process
    restoreContainer('web', { root: '/run/runc' }),
    // @ts-expect-error root is CRIU's, of a process
    explain('web', { root: '/run/runc' }),
    // @ts-expect-error root is CRIU's, of a process
    iterate('web', { root: '/run/runc' }),
    // @ts-expect-error a process is of no container
    dump(4711, { stateRoot: '/run/runc' }),
  ];
}

export function existing(): unknown[] {
  return [
    checkpoint('web', { existing: 'refuse' }),
    dump(4711, { existing: 'replace' }),
    startPageServer({ address: '::1', existing: 'reuse' }),
    // @ts-expect-error one of three words
    dump(4711, { existing: true }),
    // @ts-expect-error one of three words
    dump(4711, { existing: 'overwrite' }),
    // @ts-expect-error no option any more
    dump(4711, { overwrite: true }),
    // @ts-expect-error no option any more
    checkpoint('web', { onStatusReady() {} }),
    // @ts-expect-error iterate makes directories of its own
    iterate('web', { existing: 'reuse' }),
  ];
}

export const fields: CriuFields[] = [
  { images_dir_fd: 3, ps: [['::1', '27']], inherit_fd: [['pipe:[4711]', 5]] },
  // @ts-expect-error a field that CRIU does not have
  { images_dirfd: 3 },
  // @ts-expect-error a field that CRIU has, and that neither an option nor the core sets
  { cpu_cap: 1 },
  // @ts-expect-error a value of another type
  { pid: '4711' },
  // @ts-expect-error descriptors have numbers
  { inherit_fd: [['pipe:[4711]', '5']] },
];
