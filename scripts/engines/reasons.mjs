// @ts-check
// What `npm run test:engines` cannot show, and why.

/** @typedef {import('../../test/helpers/engines/report.js').Way} Way */

/**
 * A reason for which an engine has no count for some ways.
 *
 * @typedef {{engine: RegExp, place?: RegExp, ways: readonly Way[], reason: string}} Reason
 */

const systemd = /systemd/;

/** The first that fits is taken. @type {readonly Reason[]} */
export const reasons = [
  {
    engine: /^docker/,
    ways: ['archive', 'OCI image'],
    reason: 'docker restores from its own place alone, and neither imports an archive nor an image',
  },
  {
    engine: /CRI/,
    ways: ['in place'],
    reason: "containerd's CRI has no place of its own for checkpoints",
  },
  {
    engine: /^containerd/,
    ways: ['in place', 'archive'],
    reason: 'ctr has no place of its own for checkpoints, and reads no archive but an image',
  },
  {
    engine: /^podman/,
    place: systemd,
    ways: ['archive', 'OCI image'],
    reason:
      "the packages are those of this machine, where it is shown: here it is systemd's scopes",
  },
  {
    engine: /^runc/,
    ways: ['by name', 'in place', 'archive', 'OCI image'],
    reason: 'runc has ids and images alone',
  },
  {
    engine: /^a service/,
    ways: ['in place', 'archive', 'OCI image'],
    reason: 'a service is no container: it has no archive',
  },
];

/** What is not run at all. */
export const absent = [
  ['CRI-O', 'no package of it in Debian 12, trixie, forky or sid'],
  [
    "kubelet and Kubernetes' checkpoint API",
    'no package of them in Debian 12, trixie, forky or sid',
  ],
  ["containerd's CRI before 2.1", 'it restores no checkpoint'],
  ['podman with crun of Debian 12', 'that crun is built without CRIU'],
];
