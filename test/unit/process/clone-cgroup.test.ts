import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Scope } from '../../../lib/base/scope.js';
import { type Host, realHost } from '../../../lib/linux/host.js';
import { openCgroups } from '../../../lib/process/clone-cgroup.js';
import { rejection } from '../../helpers/rejection.js';

let root: string;
let scope: Scope;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'libcriu-cgroups-'));
  scope = new Scope();
});
afterEach(async () => {
  await scope.close();
  rmSync(root, { recursive: true });
});

const read = (...names: string[]): string => readFileSync(join(root, ...names), 'latin1');

/** A machine with such mounts of cgroups below the directory of the test. */
function host(unified: boolean, mounts: string[]): Host {
  mkdirSync(join(root, 'self'));
  writeFileSync(join(root, 'self/mountinfo'), mounts.map((line) => `${line}\n`).join(''));
  return { ...realHost, procRoot: root, cgroupRoot: root, unified: async () => unified };
}

describe('the cgroups of a clone', () => {
  test('are one with cgroup v2, with the controllers that it lacks', async () => {
    writeFileSync(join(root, 'cgroup.controllers'), 'cpu memory pids\n');
    writeFileSync(join(root, 'cgroup.subtree_control'), 'cpu\n');
    const limits = { memoryBytes: 65_536, cpus: 1.5, pids: 7 };
    const { descriptors } = await openCgroups({ path: '/one', ...limits }, scope, host(true, []));
    expect(descriptors).toHaveLength(1);
    expect(read('cgroup.subtree_control')).toBe('+memory +pids');
    expect(read('one', 'memory.max')).toBe('65536');
    expect(read('one', 'cpu.max')).toBe('150000 100000');
    expect(read('one', 'pids.max')).toBe('7');
  });

  test('are those of the mounted controllers with cgroup v1, each once', async () => {
    for (const name of ['memory', 'cpu', 'devices']) mkdirSync(join(root, name));
    const mount = (name: string, options: string): string =>
      `1 2 0:1 / ${root}/${name} rw - cgroup cgroup rw,${options}`;
    const mounts = [
      mount('memory', 'memory'),
      mount('cpu', 'cpu,pids'),
      mount('devices', 'devices'),
    ];
    const { descriptors } = await openCgroups({ path: '/a/b' }, scope, host(false, mounts));
    expect(descriptors).toHaveLength(2);
    expect(readdirSync(join(root, 'memory/a/b'))).toEqual(['cgroup.procs']);
    expect(readdirSync(join(root, 'cpu/a/b'))).toEqual(['cgroup.procs']);
    expect(readdirSync(join(root, 'devices'))).toEqual([]);
  });

  test('are refused for a limit without its controller, with nothing made', async () => {
    const opening = openCgroups({ path: '/one', pids: 5 }, scope, host(false, []));
    const error = await rejection(opening);
    expect(error).toMatchObject({ code: 'ERR_SYSTEM_ERROR' });
    expect(error.message).toContain('pids');
    expect(error.message).toContain('cgroup');
    expect(readdirSync(root)).toEqual(['self']);
  });
});
