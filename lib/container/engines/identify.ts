import { basename } from 'node:path';
import type { EngineName } from '../../options/engine-names.js';
import type { ContainerState } from '../state/container.js';
import { dockerFacts } from './docker.js';
import type { EngineFacts } from './engine.js';
import { podmanFacts } from './podman.js';

/** The directory in which containerd keeps the bundles of each of its namespaces. */
export const containerdBundles = 'io.containerd.runtime.v2.task';

/** Whose container it is, as its state tells. */
export function engineOf({ annotations, bundle, runtime, stateRoot }: ContainerState): EngineName {
  const manager = annotations.get('io.container.manager');
  if (manager === 'libpod') return 'podman';
  if (manager === 'cri-o' || annotations.has('io.kubernetes.cri-o.Name')) return 'cri-o';
  if (!bundle.includes(`/${containerdBundles}/`)) return runtime;
  // docker runs containerd, and has a namespace of its own there.
  return basename(stateRoot) === 'moby' ? 'docker' : 'containerd';
}

/** Names and image of a container, by the files of its engine. */
export async function factsOf(state: ContainerState): Promise<EngineFacts> {
  switch (engineOf(state)) {
    case 'docker':
      return dockerFacts(state);
    case 'podman':
      return podmanFacts(state);
    case 'containerd':
      return kubernetesFacts(state, {
        name: 'io.kubernetes.cri.container-name',
        pod: 'io.kubernetes.cri.sandbox-name',
        namespace: 'io.kubernetes.cri.sandbox-namespace',
        image: 'io.kubernetes.cri.image-name',
      });
    case 'cri-o':
      return kubernetesFacts(state, {
        name: 'io.kubernetes.container.name',
        pod: 'io.kubernetes.pod.name',
        namespace: 'io.kubernetes.pod.namespace',
        image: 'io.kubernetes.cri-o.ImageName',
      });
    case 'runc':
    case 'crun':
      return { name: state.id, names: [], image: undefined };
  }
}

/** The annotations in which an engine of Kubernetes keeps what it was asked for. */
interface KubernetesKeys {
  name: string;
  pod: string;
  namespace: string;
  image: string;
}

/** A container of a pod answers to its name, `POD/NAME` and `NAMESPACE/POD/NAME`. */
function kubernetesFacts({ id, annotations }: ContainerState, keys: KubernetesKeys): EngineFacts {
  const image = annotations.get(keys.image);
  const name = annotations.get(keys.name);
  if (name === undefined) return { name: id, names: [], image };
  const inPod = `${annotations.get(keys.pod) ?? ''}/${name}`;
  const full = `${annotations.get(keys.namespace) ?? ''}/${inPod}`;
  return { name: full, names: [name, inPod, full], image };
}
