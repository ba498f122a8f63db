#!/bin/sh
# Runs a command in the mount namespace that it is in, after hiding there what the machine tells CRIU
# and what CRIU and the package keep: enter.sh KERNEL-DATA-DIRECTORY COMMAND [ARGUMENT...]
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

# The kernel-data cache, which each build of CRIU writes, and what the package notes for itself.
own 0700 /run/criu
mkdir -p "$1"
own 0700 /run/libcriu
shift

exec "$@"
