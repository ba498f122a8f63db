// The engines of a machine with systemd, as their packages set them up. `npm run test:engines` runs it.
import { requireNeeds } from '../helpers/needs.js';
import { reportTests } from './host/report.js';
import { systemdMachine } from './host/systemd.js';

const needs = (): void => requireNeeds('root', 'criu', 'libcriu', 'build', 'busybox', 'gcc');

await reportTests('engines', needs, systemdMachine('engines', 'engines'));
