#pragma once

#include <sys/types.h>

namespace criu_node {

// Whether there is a socket in the network namespace of a process that packets of IP can reach: one
// that is open or listens, in whichever process. True where the kernel does not tell.
bool HasNetworkSockets(pid_t pid);

// Whether a process, or one that it has started, has such a socket among its descriptors.
bool HoldsNetworkSocket(pid_t root);

}  // namespace criu_node
