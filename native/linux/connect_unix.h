#pragma once

#include <string>

#include "base/unique_fd.h"

namespace criu_node {

// A connection to the stream socket of a path, made without waiting. Throws Failure.
UniqueFd ConnectUnix(const std::string& path);

}  // namespace criu_node
