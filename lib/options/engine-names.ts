/** Whose container one is: an engine's, or, where none is known, that of the runtime alone. */
export const engineNames = ['docker', 'podman', 'containerd', 'cri-o', 'runc', 'crun'] as const;

/** One of {@link engineNames}. */
export type EngineName = (typeof engineNames)[number];
