#pragma once

#include <optional>
#include <span>

namespace criu_node::tar {

// Writes the archive to standard output when the arguments are just those with which CRIU dumps a
// tmpfs, and gives the status to exit with; nothing is done when they are anything else.
std::optional<int> CreateIfAsked(std::span<char* const> arguments);

}  // namespace criu_node::tar
