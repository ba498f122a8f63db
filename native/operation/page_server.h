#pragma once

#include <sys/types.h>

#include <vector>

#include "base/unique_fd.h"
#include "operation/request.h"

namespace criu_node {

// Copies of criu's sockets to a page server that takes the pages of a dump. Empty when the request
// has no such server, or when criu is not a process of ours (-1), or without memory to look.
std::vector<UniqueFd> ConnectionsToPageServer(const Request& request, pid_t criu) noexcept;

// Ends them, so that criu's next word to the page server fails.
void BreakConnectionsToPageServer(const Request& request, pid_t criu) noexcept;

}  // namespace criu_node
