#pragma once

#include <string>

namespace criu_node {

// Makes a directory (mode 0700) in one that exists. False when that cannot be done in one go,
// whatever the reason: it is there already, its parent is not, there is a symbolic link on the way
// (which may be another user's), or the kernel is older than 5.6. Then nothing has been made.
bool MakeFreshDirectory(const std::string& path);

}  // namespace criu_node
