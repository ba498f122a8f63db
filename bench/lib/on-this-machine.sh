#!/bin/sh
# Runs a command where engines leave nothing on this machine: what they keep beside the directories that they are
# given (locks, sockets, states) is gone with this mount namespace. It is called in namespaces of its own
# (tools/own-cgroups.sh).
# Usage: on-this-machine.sh COMMAND...
set -eu
mount --make-rprivate /
exec 9</run
mount -t tmpfs -o mode=755 tmpfs /run
# CRIU's cache of what this kernel has.
if [ -d /proc/self/fd/9/criu ]; then
  mkdir /run/criu
  mount --rbind /proc/self/fd/9/criu /run/criu
fi
exec 9<&-
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
"$(dirname "$0")/../../tools/mount-cgroups.sh" /sys/fs/cgroup --with-unified
mkdir /run/libcriu-bench
export TMPDIR=/run/libcriu-bench
"$@"
