#!/bin/sh
# enter-root.sh TREE [FROM TO rw|ro]... -- COMMAND...
#
# Runs a command in the root file system TREE, in which FROM, of this one, is at TO. It is run in a mount namespace
# and a pid namespace of its own: every mount is gone with the command, and so are its children. The root is the whole
# of what they see, as in a machine of its own, for a runtime could not make containers in a mere chroot.
set -e
tree=$1; shift
mount --bind "$tree" "$tree"
mount -t proc proc "$tree/proc"
mount --rbind /dev "$tree/dev"
mount --rbind /sys "$tree/sys"
for place in /run /root; do mount -t tmpfs -o mode=0755 tmpfs "$tree$place"; done
mount -t tmpfs -o mode=1777 tmpfs "$tree/tmp"
while [ "$1" != -- ]; do
  mkdir -p "$(dirname "$tree$2")"
  [ -e "$tree$2" ] || if [ -d "$1" ]; then mkdir "$tree$2"; else : >"$tree$2"; fi
  mount --bind "$1" "$tree$2"
  [ "$3" = rw ] || mount -o remount,bind,ro "$tree$2"
  shift 3
done
shift
cd "$tree"
pivot_root . .
umount -l .
cd /
exec "$@"
