import type { MappingKind } from '../report.js';

/** The kinds of memory in the order of the legend, each with a colour that white text is readable on. */
export const colors: Readonly<Record<MappingKind, string>> = {
  anonymous: '#2f6fb3',
  heap: '#1f8a70',
  stack: '#7a5cc0',
  file: '#b3622f',
  'shared-file': '#8f6a1e',
  shared: '#b0386b',
  sysv: '#96407f',
  memfd: '#3d7f8f',
  aio: '#5a6b3a',
  socket: '#4a6785',
  kernel: '#6b7280',
};
