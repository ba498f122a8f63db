#!/bin/sh
# Runs a command in cgroups of its own on a machine with cgroup v1, and sees no others there: CRIU saves all of
# the tree below the cgroup of a container, which is that of the whole machine where its engine knows nothing of
# cgroup v2. It is called as the first process of a namespace, and ends what is left in that.
# Usage: own-cgroups.sh COMMAND...
set -eu
[ "$(stat -fc %T /sys/fs/cgroup)" != cgroup2fs ] || exec "$@"
name=$(mktemp --dry-run libcriu-engines-XXXXXX)
for hierarchy in /sys/fs/cgroup/*; do
  [ ! -L "$hierarchy" ] || continue
  mkdir "$hierarchy/$name"
  for file in cpuset.cpus cpuset.mems; do
    [ ! -e "$hierarchy/$file" ] || cat "$hierarchy/$file" >"$hierarchy/$name/$file"
  done
  echo $$ >"$hierarchy/$name/cgroup.procs"
done
status=0
unshare --cgroup --mount "$@" || status=$?
# What an engine has left running ends with this namespace of processes, which nobody else is in, but not while it
# is frozen.
find "/sys/fs/cgroup/freezer/$name" -name freezer.state 2>/dev/null | while read -r state; do
  echo THAWED >"$state"
done
[ $$ -ne 1 ] || kill -KILL -1 2>/dev/null || true
for hierarchy in /sys/fs/cgroup/*; do
  [ ! -L "$hierarchy" ] || continue
  echo $$ >"$hierarchy/cgroup.procs"
  for _ in $(seq 50); do
    find "$hierarchy/$name" -depth -type d -exec rmdir {} + 2>/dev/null || true
    [ -d "$hierarchy/$name" ] || break
    sleep 0.1
  done
done
exit $status
