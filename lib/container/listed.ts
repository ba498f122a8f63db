import type { EngineName } from '../options/engine-names.js';
import type { ContainerStatus } from './state/container.js';

/** A container as `listContainers()` tells of it. */
export interface ListedContainer {
  /** Whose container it is: an engine's, or where none is known, the runtime's. */
  engine: EngineName;
  /** The name by which its engine knows it; the id where it has no other. */
  name: string;
  id: string;
  state: ContainerStatus;
  /** The init process; undefined when it has ended. */
  pid: number | undefined;
  /** The image that it was made of, where its engine tells. */
  image: string | undefined;
  /** When its init process was started; undefined when that has ended. */
  started: Date | undefined;
  /** The directory in which its runtime keeps its state: the option `stateRoot`. */
  stateRoot: string;
}

/** The containers of this machine, and what could not be read. */
export interface ContainerList {
  containers: ListedContainer[];
  /** A sentence for each container of which something could not be read or believed. */
  warnings: string[];
}
