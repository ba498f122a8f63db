#!/bin/sh
# Runs a command in the root file system of another Debian, which has this machine's kernel, Node.js and
# package. It is called in namespaces of its own, and what it mounts is gone with them.
# Usage: in-root.sh ROOT PACKAGE NODE COMMAND...
set -eu
# They get cgroups of their own, and see no others. CRIU saves all of the tree below the cgroup of a
# container, which is that of the whole machine where its engine knows nothing of cgroup v2.
if [ "$1" != --within ] && [ "$(stat -fc %T /sys/fs/cgroup)" != cgroup2fs ]; then
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
  unshare --cgroup --mount "$0" --within "$@" || status=$?
  # What an engine has left running ends with this namespace of processes, which nobody else is in.
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
fi
[ "$1" != --within ] || shift
root=$1 package=$2 node=$3
shift 3
mount --bind "$root" "$root"
cd "$root"
mount -t proc proc proc
mount --rbind /dev dev
mount -t sysfs sysfs sys
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=1777 tmpfs tmp
if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
  mount -t cgroup2 cgroup2 sys/fs/cgroup
else
  # crun knows cgroup v1 and v2, but not both at once.
  mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
  cut -d: -f2 /proc/self/cgroup | grep . | while read -r one; do
    mkdir "sys/fs/cgroup/${one#name=}"
    case $one in
      name=*) mount -t cgroup -o "none,$one" cgroup "sys/fs/cgroup/${one#name=}" ;;
      *) mount -t cgroup -o "$one" cgroup "sys/fs/cgroup/$one" ;;
    esac
  done
fi
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
