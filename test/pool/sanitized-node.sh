#!/bin/sh
# Node.js for an addon with the address sanitizer, whose library has to be loaded before all others.
# What Node.js starts is not to have it: criu, for one, puts code into other processes.
LD_PRELOAD=$LIBCRIU_ASAN exec "$LIBCRIU_NODE" --import "${0%/*}/hide-preload.mjs" "$@"
