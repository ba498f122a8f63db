import { join } from 'node:path';
import {
  credentials,
  loadPackageDefinition,
  type ServiceClientConstructor,
  type ServiceError,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { Scope } from '../scope.js';
import { runOk, until } from '../system/exec.js';
import { startContainerdIn } from './daemon.js';
import { boxArchive, counter } from './engine.js';
import { startRegistry } from './registry.js';

/** A call of the Container Runtime Interface. */
type CriCall = (
  request: object,
  options: { deadline: number },
  done: (error: ServiceError | null, response: never) => void,
) => void;

interface Services {
  RuntimeService: ServiceClientConstructor;
  ImageService: ServiceClientConstructor;
}

/** containerd as Kubernetes drives it: by the gRPC socket of its CRI. */
export interface Cri {
  version: string;
  /** The only image, which pods are made of as well. It can be pulled. */
  image: string;
  /** Makes a pod with one container of an image, or of a checkpoint's archive, and gives the container's id. */
  run: (pod: string, container: string, image: string) => Promise<string>;
  /** The number that a container has written last. */
  count: (id: string) => Promise<number>;
  /** Checkpoints a container into a file, as kubelet has it done. The container runs on. */
  checkpoint: (id: string, file: string) => Promise<void>;
  /** What it says of a container. */
  state: (id: string) => Promise<State>;
  /** Pulls an image, as kubelet has it done before it makes a container of it. */
  pull: (image: string) => Promise<void>;
}

const proto = new URL('./cri.proto', import.meta.url).pathname;
/** As the protocol numbers them. */
const states = ['created', 'running', 'exited', 'unknown'] as const;
type State = (typeof states)[number];

/** Starts a containerd with CRI, whose pods have the network of the machine. */
export async function startCri(scope: Scope): Promise<Cri> {
  const directory = await scope.directory();
  const layout = join(directory, 'image');
  const image = `${await startRegistry(scope, layout)}/libcriu-box:1`;
  await makeImage(scope, image, layout);
  const { socket } = await startContainerdIn(scope, directory, {
    version: 3,
    tables: `[plugins."io.containerd.cri.v1.images"]
  [plugins."io.containerd.cri.v1.images".pinned_images]
    sandbox = "${image}"
[plugins."io.containerd.cri.v1.runtime"]
  restrict_oom_score_adj = true`,
  });
  return await connect(scope, socket, directory, image);
}

/** Makes the image as an OCI layout; podman does so without a registry. */
async function makeImage(scope: Scope, name: string, layout: string): Promise<void> {
  const directory = await scope.directory();
  const global = [
    ...['--root', join(directory, 'storage'), '--runroot', join(directory, 'run')],
    ...['--storage-driver', 'vfs'],
  ];
  const changes = ['--change', `CMD ${JSON.stringify(counter)}`, '--change', 'ENV PATH=/bin'];
  await runOk('podman', [...global, 'import', ...changes, await boxArchive(scope), name]);
  await runOk('podman', [...global, 'save', '--format', 'oci-dir', '-o', layout, name]);
}

async function connect(
  scope: Scope,
  socket: string,
  directory: string,
  image: string,
): Promise<Cri> {
  const { runtime } = loadPackageDefinition(loadSync(proto, { keepCase: true, longs: Number })) as {
    runtime: never;
  };
  const { RuntimeService, ImageService } = (runtime as { v1: Services }).v1;
  const clients = [RuntimeService, ImageService].map(
    (Service) => new Service(`unix://${socket}`, credentials.createInsecure()),
  );
  scope.defer(() => {
    for (const client of clients) client.close();
  });
  const ask = <Response>(method: string, request: object): Promise<Response> =>
    new Promise((resolve, reject) => {
      const client = clients.find((one) => method in one) as unknown as Record<string, CriCall>;
      client[method]?.call(client, request, { deadline: Date.now() + 60_000 }, (error, response) =>
        error ? reject(error) : resolve(response),
      );
    });
  const pull = async (name: string): Promise<void> => {
    await ask('PullImage', { image: { image: name } });
  };
  const state = async (container_id: string): Promise<State> => {
    const { status } = await ask<{ status: { state: number } }>('ContainerStatus', {
      container_id,
    });
    return states[status.state] ?? 'unknown';
  };
  await pull(image);
  const { runtime_version } = await ask<{ runtime_version: string }>('Version', {});
  return {
    version: `containerd ${runtime_version} (CRI)`,
    image,
    state,
    pull,
    run: async (pod, container, from) => {
      // As kubelet asks for it: without a word the processes of a pod are in one namespace, where the numbers
      // of a container that is restored may be taken.
      const namespaces = { network: 'NODE', pid: 'CONTAINER' };
      const linux = { security_context: { namespace_options: namespaces } };
      const sandbox = {
        metadata: { name: pod, uid: `${pod}-uid`, namespace: 'default' },
        log_directory: directory,
        linux,
      };
      const { pod_sandbox_id } = await ask<{ pod_sandbox_id: string }>('RunPodSandbox', {
        config: sandbox,
      });
      scope.defer(async () => {
        await ask('StopPodSandbox', { pod_sandbox_id });
        await ask('RemovePodSandbox', { pod_sandbox_id });
      });
      const { container_id } = await ask<{ container_id: string }>('CreateContainer', {
        pod_sandbox_id,
        config: {
          metadata: { name: container },
          image: { image: from },
          command: counter,
          log_path: `${pod}.log`,
          linux,
        },
        sandbox_config: sandbox,
      });
      await ask('StartContainer', { container_id });
      await until(`${container} runs`, async () => (await state(container_id)) === 'running');
      return container_id;
    },
    count: async (container_id) => {
      const { stdout } = await ask<{ stdout: Buffer }>('ExecSync', {
        container_id,
        cmd: ['/bin/cat', '/count'],
        timeout: 10,
      });
      return Number(stdout.toString());
    },
    checkpoint: async (container_id, location) => {
      await ask('CheckpointContainer', { container_id, location, timeout: 60 });
    },
  };
}
