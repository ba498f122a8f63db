#!/bin/sh
# Runs a command in the root file system of another Debian, which has this machine's kernel, Node.js and
# package. It is called in namespaces of its own (own-cgroups.sh), and what it mounts is gone with them.
# Usage: in-root.sh ROOT PACKAGE NODE COMMAND...
set -eu
root=$1 package=$2 node=$3
cgroups=$(dirname "$0")/mount-cgroups.sh
shift 3
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
"$cgroups" "$PWD/sys/fs/cgroup"
mkdir -p "./$package"
mount --rbind "$package" "./$package"
touch usr/bin/node
mount --bind "$node" usr/bin/node
# Engines find criu where a package would have put it, and crun loads the library.
touch usr/sbin/criu usr/lib/libcriu.so.2
ldd "$package/.criu/sbin/criu" | awk '$2 == "=>" { print $3 }' | while read -r library; do
  [ -e ".$library" ] || cp --dereference "$library" ".$library"
done
mount --bind "$package/.criu/sbin/criu" usr/sbin/criu
mount --bind "$package/.criu/lib/libcriu.so.2" usr/lib/libcriu.so.2
# That of newer releases starts programs by vfork(), in the middle of which CRIU cannot stop a process.
mount --bind /bin/busybox usr/bin/busybox
mkdir -p old
pivot_root . old
umount -l /old
cd "$package"
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec "$@"
