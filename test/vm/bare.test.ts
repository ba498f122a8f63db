// Tests that need another kernel than this machine's: with memory tracking and a pure cgroup v2.
import { requireNeeds } from '../helpers/needs.js';
import { bareMachine } from './host/initramfs.js';
import { reportTests } from './host/report.js';

const needs = (): void =>
  requireNeeds('root', 'criu', 'libcriu', 'build', 'runc', 'busybox', 'gcc');

await reportTests('bare', needs, bareMachine);
