#!/bin/sh
# Mounts the cgroups that this process sees at a directory, in a mount namespace of its own.
# Usage: mount-cgroups.sh DIRECTORY [--with-unified]
set -eu
if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
  mount -t cgroup2 cgroup2 "$1"
  exit
fi
mount -t tmpfs -o mode=755 tmpfs "$1"
cut -d: -f2 /proc/self/cgroup | grep . | while read -r one; do
  mkdir "$1/${one#name=}"
  case $one in
    name=*) mount -t cgroup -o "none,$one" cgroup "$1/${one#name=}" ;;
    *) mount -t cgroup -o "$one" cgroup "$1/$one" ;;
  esac
done
# crun knows cgroup v1 and v2, but not both at once.
[ "${2-}" = --with-unified ] || exit 0
grep -q ^0: /proc/self/cgroup || exit 0
mkdir "$1/unified"
mount -t cgroup2 cgroup2 "$1/unified"
