#pragma once

#include <sys/types.h>

#include <cstdint>

namespace criu_node {

// Kills a process if it is still the one that was started then, in clock ticks after boot: by a
// pidfd, so that another one that has got the pid meanwhile is left alone. Whether it was. Throws
// Failure (stage "kill") for one that may not be killed.
bool KillProcess(pid_t pid, uint64_t start_time);

}  // namespace criu_node
