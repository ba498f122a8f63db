#pragma once

#include <optional>
#include <span>

namespace criu_node::tar {

// The exit status of a tar with these arguments, argv[0] among them, if it was asked to restore a
// tmpfs as criu does, and the archive is small and plain: the tmpfs then has what GNU tar would
// have made of it. Otherwise nullopt, with nothing done or read yet.
std::optional<int> ExtractIfAsked(std::span<char* const> arguments);

}  // namespace criu_node::tar
