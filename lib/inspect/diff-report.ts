import type {
  DescriptorReport,
  MappingKind,
  MemorySizes,
  ProcessReport,
  SocketReport,
} from './report.js';

/** What has changed from one checkpoint to another. */
export interface CheckpointDiff {
  readonly before: ComparedCheckpoint;
  readonly after: ComparedCheckpoint;
  readonly processes: {
    /** Those that only the second has. */
    readonly came: readonly ProcessReport[];
    /** Those that only the first has. */
    readonly went: readonly ProcessReport[];
    /** Those that both have. */
    readonly stayed: readonly ProcessDiff[];
  };
  readonly sockets: Changes<SocketReport>;
  readonly memory: {
    readonly kinds: readonly KindDiff[];
    /** The pages of all processes and of what they share. */
    readonly pages: PageDiff;
    /** The pages of shared segments, by CRIU's numbers of them. */
    readonly shared: readonly (PageDiff & { readonly id: number })[];
  };
}

/** One of two checkpoints. */
export interface ComparedCheckpoint {
  readonly path: string;
  readonly name: string | undefined;
  readonly checkpointed: Date | undefined;
}

/** What came and what went. */
export interface Changes<T> {
  readonly came: readonly T[];
  readonly went: readonly T[];
}

/** What has changed in a process. */
export interface ProcessDiff {
  readonly pid: number;
  readonly name: string;
  /** The arguments, where they are others. */
  readonly commandLine:
    | {
        readonly before: readonly string[] | undefined;
        readonly after: readonly string[] | undefined;
      }
    | undefined;
  readonly threads: Changes<number>;
  readonly descriptors: Changes<DescriptorReport>;
  readonly kinds: readonly KindDiff[];
  readonly pages: PageDiff;
}

/** Memory of one kind, before and after. */
export interface KindDiff {
  readonly kind: MappingKind;
  readonly before: MemorySizes;
  readonly after: MemorySizes;
}

/** How many pages have changed. A page is compared by what it holds, wherever it is saved. */
export interface PageDiff {
  readonly same: number;
  readonly changed: number;
  /** Only the second has them. */
  readonly came: number;
  /** Only the first has them. */
  readonly went: number;
}
