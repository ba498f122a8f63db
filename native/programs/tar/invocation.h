#pragma once

#include <span>

namespace criu_node::tar {

// The directory to archive, when the arguments are just those with which CRIU dumps a tmpfs, and
// nullptr when they are anything else.
const char* DirectoryOfTmpfsDump(std::span<char* const> arguments);

// The directory to extract to, when the arguments are just those with which CRIU restores a tmpfs,
// and nullptr when they are anything else.
const char* DirectoryOfTmpfsRestore(std::span<char* const> arguments);

}  // namespace criu_node::tar
