import { describe, expect, test } from 'vitest';
import { findEngineNetworkProblem } from '../../../../lib/container/engines/engine-network.js';
import { findContainer } from '../../../../lib/container/find.js';
import type { ContainerState } from '../../../../lib/container/state/container.js';
import { init, makeMachine } from '../../../helpers/container-machine.js';

const dockers: Partial<ContainerState> = {
  stateRoot: '/run/docker/runtime-runc/moby',
  bundle: '/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/web',
};

const ownNetwork: Partial<ContainerState> = { namespaces: [{ type: 'net', path: '' }] };

const hook = (...args: string[]): Partial<ContainerState> => ({
  prestartHooks: [{ path: '/proc/77/exe', args, env: undefined, timeoutMs: undefined }],
});

/** What docker's own file says: `{}` for a container with a network. */
async function problemWith(
  config: object | undefined,
  ...changes: readonly Partial<ContainerState>[]
) {
  const machine = await makeMachine();
  const directory = `${machine.directory}/containers/web`;
  if (config !== undefined) {
    await machine.write('containers/web/config.v2.json', JSON.stringify({ Config: config }));
  }
  const mounts = [{ source: `${directory}/hosts`, destination: '/etc/hosts', type: 'bind' }];
  await machine.container('runc-1.1.5-hybrid');
  await machine.process(init.runc.pid, init.runc.startTime);
  const container = await findContainer('web', { root: machine.root }, machine.host);
  return await findEngineNetworkProblem(
    Object.assign({}, container, { mounts }, ...changes) as ContainerState,
  );
}

describe('the network of a container of docker', () => {
  test.each([
    ['without any hook', {}],
    ['with another hook', hook('nvidia-container-runtime-hook', 'prestart')],
  ])('that is its own cannot be restored %s', async (_how, hooks) => {
    const problem = await problemWith({}, dockers, ownNetwork, hooks);
    expect(problem).toEqual({
      finding: 'engine-network',
      engine: 'docker',
      message: expect.stringMatching(/from its version 28 on, and container "web" has/) as string,
      code: 'ERR_CONTAINER_STATE',
    });
  });

  test.each([
    ["docker's hook", [dockers, ownNetwork, hook('libnetwork-setkey', '-exec-root=/run/docker')]],
    ['the network of the host', [dockers, { namespaces: [{ type: 'pid', path: '' }] }]],
    ['a namespace by its path', [dockers, { namespaces: [{ type: 'net', path: '/run/ns' }] }]],
    ['another engine', [ownNetwork]],
  ] as const)('is restored with %s', async (_how, changes) => {
    const problem = await problemWith({}, ...(changes as readonly Partial<ContainerState>[]));
    expect(problem).toBeUndefined();
  });

  test.each([
    ['docker gives it none', { NetworkDisabled: true }],
    ['its files do not tell', undefined],
  ])('is restored where %s', async (_why, config) => {
    expect(await problemWith(config, dockers, ownNetwork)).toBeUndefined();
  });
});
