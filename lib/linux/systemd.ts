/**
 * The service of systemd that a process is of, by the cgroup that it is in; undefined when it is of
 * none.
 *
 * @param cgroups - The text of `/proc/PID/cgroup`.
 */
export function unitOf(cgroups: string): string | undefined {
  // systemd has a hierarchy of its own, or the unified one.
  const [, path = ''] = /^\d+:(?:name=systemd)?:(\/.*)$/m.exec(cgroups) ?? [];
  // A service of a user is below one of the system that stands for the user.
  return path.split('/').findLast((name) => name.endsWith('.service'));
}
