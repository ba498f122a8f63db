#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace criu_node {

// Copies of the TCP sockets of another process that are connected to a port: what is done to a copy
// is done to the process's own. With an IP address only connections to that count; with a name,
// all. When there is none, the sockets that are still connecting are given. Empty where the kernel
// (before 5.6) hands out no copies.
std::vector<UniqueFd> ConnectionsTo(pid_t pid, const std::string& address, uint16_t port);

}  // namespace criu_node
