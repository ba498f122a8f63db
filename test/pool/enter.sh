#!/bin/sh
# Runs a command in the mount namespace that it is in, after hiding there what the machine tells CRIU
# and what CRIU and the package keep: enter.sh CRIU KERNEL-DATA-DIRECTORY COMMAND [ARGUMENT...]
set -e

# Nothing that is mounted here may reach the machine.
mount --make-rprivate /

own() {
  mkdir -p "$2"
  mount -t tmpfs -o "mode=$1,nosuid,nodev,noexec" libcriu-test "$2"
}

# Configuration files.
own 0755 /etc/criu
if [ -e "$HOME/.criu" ]; then
  own 0755 "$HOME/.criu"
fi
unset CRIU_CONFIG_FILE

# What the package notes for itself, and the kernel-data cache, which each build of CRIU writes. That is
# filled here: the first criu of a test may be traced, or lack capabilities, and would fail or note that
# the kernel lacks what it was not allowed to try.
own 0700 /run/libcriu
own 0700 /run/criu
mkdir -p "$2"
"$1" check >/dev/null 2>&1 || true

shift 2
exec "$@"
