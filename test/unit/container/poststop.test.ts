import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { runPoststopHooks, stoppedState } from '../../../lib/container/poststop.js';
import type { Container, ContainerHook } from '../../../lib/container/state/container.js';
import { makeEndedContainer, makeMachine, shellHook } from '../../helpers/container-machine.js';

describe('the OCI state that poststop hooks get', () => {
  test('has the fields of runc in their order', async () => {
    const { container } = await makeEndedContainer();
    expect(stoppedState(container)).toBe(
      '{"ociVersion":"1.0.2-dev","id":"web","status":"stopped","bundle":"/var/lib/bundles/web",' +
        '"annotations":{"k":"v=w","org.example.a":"b"}}',
    );
    expect(stoppedState({ ...container, annotations: new Map() })).not.toContain('annotations');
  });

  test('has the fields of crun in their order', async () => {
    const { container } = await makeEndedContainer('crun-1.8.1-v1');
    expect(stoppedState(container)).toBe(
      '{"ociVersion":"1.0","id":"web","pid":0,"root":"rootfs","bundle":"/var/lib/bundles/web",' +
        '"status":"stopped","annotations":{"org.example.a":"b"}}',
    );
  });
});

describe('runPoststopHooks', () => {
  async function run(hooks: ContainerHook[], change: Partial<Container> = {}) {
    const { container } = await makeEndedContainer();
    return runPoststopHooks({ ...container, ...change, poststopHooks: hooks });
  }

  test('gives the state on stdin, argv and the environment', async () => {
    const machine = await makeMachine();
    const out = join(machine.directory, 'out');
    const script = `{ cat; echo; echo "$0 $A $B $HOME"; } > ${out}`;
    const hook: ContainerHook = {
      ...shellHook(script, { env: ['A=1', 'B=x=y'] }),
      args: ['name', '-c', script],
    };
    expect(await run([hook])).toEqual([]);
    const [state, line] = (await readFile(out, 'utf8')).split('\n');
    expect(JSON.parse(state ?? '')).toMatchObject({ id: 'web', status: 'stopped' });
    expect(line).toBe('name 1 x=y ');
  });

  test('inherits the environment when none is given', async () => {
    const machine = await makeMachine();
    const out = join(machine.directory, 'out');
    expect(await run([shellHook(`echo "$PATH" > ${out}`)])).toEqual([]);
    expect((await readFile(out, 'utf8')).trim()).toBe(process.env['PATH']);
  });

  test('kills a hook that runs too long', async () => {
    expect(await run([shellHook('exec sleep 30', { timeoutMs: 50 })])).toEqual([
      'error running poststop hook #0: hook ran past specified timeout of 0.1s',
    ]);
  });

  test('is not held up by what a hook leaves running', async () => {
    const machine = await makeMachine();
    const list = join(machine.directory, 'left');
    const leaving = (status: number) => shellHook(`sleep 600 & echo $! >> ${list}; exit ${status}`);
    expect(await run([leaving(0), leaving(1)])).toHaveLength(1);
    const left = (await readFile(list, 'utf8')).trim().split('\n').map(Number);
    expect(left).toHaveLength(2);
    // They are still there: nobody has waited for their end.
    for (const pid of left) process.kill(pid, 'SIGKILL');
  });

  test('tells how a hook was ended, or that there is none', async () => {
    expect(await run([shellHook('kill -9 $$')])).toEqual([
      'error running poststop hook #0: signal: SIGKILL, stdout: , stderr: ',
    ]);
    expect(await run([{ ...shellHook(''), path: '/nowhere/hook' }])).toEqual([
      expect.stringContaining('error running poststop hook #0: spawn /nowhere/hook ENOENT'),
    ]);
  });

  test('stops at the first failure for runc, goes on for crun', async () => {
    const hooks = [shellHook('exit 1'), shellHook('exit 2')];
    expect(await run(hooks)).toHaveLength(1);
    expect(await run(hooks, { runtime: 'crun', bundle: '/' })).toHaveLength(2);
  });

  test('runs crun hooks in the bundle', async () => {
    const machine = await makeMachine();
    const change = { runtime: 'crun', bundle: machine.directory } as const;
    expect(await run([shellHook('pwd > here')], change)).toEqual([]);
    expect(await readFile(join(machine.directory, 'here'), 'utf8')).toBe(`${machine.directory}\n`);
  });

  test('does not mind a hook that reads nothing', async () => {
    const long = new Map([['a', 'x'.repeat(1 << 20)]]);
    expect(await run([shellHook('exec true')], { annotations: long })).toEqual([]);
  });
});
