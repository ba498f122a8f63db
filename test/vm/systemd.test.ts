// Tests that need what most users have: systemd as the init, a pure cgroup v2, runc with its driver.
import { requireNeeds } from '../helpers/needs.js';
import { reportTests } from './host/report.js';
import { systemdMachine } from './host/systemd.js';

const needs = (): void => requireNeeds('root', 'criu', 'libcriu', 'build', 'busybox', 'gcc');

await reportTests('systemd', needs, systemdMachine('plain', 'systemd'));
