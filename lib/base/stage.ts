/**
 * How far an operation came before it ended. The names of hooks stand for CRIU's work after its
 * notification of that name.
 */
export type Stage =
  /** Before anything was done. */
  | 'start'
  /** Waiting for a turn. */
  | 'queued'
  /** Looking for CRIU, and asking for its version and features. */
  | 'criu'
  /** Looking for the container and at its state. */
  | 'container'
  /** Looking at the process. */
  | 'process'
  /** Looking at directories, making and opening them. */
  | 'directory'
  /** Reading a checkpoint, and unpacking it. */
  | 'archive'
  /** Loading libcriu. */
  | 'library'
  /** Listening on an address. */
  | 'listen'
  /** Starting a criu process. */
  | 'spawn'
  /** Preparing the request and sending it, up to CRIU's first notification. */
  | 'request'
  /** Freezing the cgroup. */
  | 'freeze'
  /** Receiving memory. */
  | 'transfer'
  /** Waiting for the container runtime. */
  | 'runtime'
  | 'preDump'
  | 'networkLock'
  | 'queryExtFiles'
  | 'postDump'
  | 'networkUnlock'
  | 'statusReady'
  | 'preRestore'
  | 'setupNamespaces'
  | 'postSetupNamespaces'
  | 'orphanPtsMaster'
  | 'postRestore'
  | 'preResume'
  | 'postResume';
