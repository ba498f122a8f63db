#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace criu_node {

// Copies of another process's TCP sockets: what is done to one is done to the other process's own.
// Nothing where the kernel (before 5.6) hands out no copies.

// Those connected to a port; of an IP address only its own, a name is as good as any. When there is
// none, those still on their way to somewhere.
std::vector<UniqueFd> ConnectionsTo(pid_t pid, const std::string& address, uint16_t port);

}  // namespace criu_node
