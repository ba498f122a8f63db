#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.h"

namespace criu_node {

// A directory that is to be made (mode 0700) in one that exists.
struct FreshDirectory {
  std::string path;                                          // absolute
  std::vector<std::pair<std::string, std::string>> files{};  // name and content, mode 0600
};

// Makes the directory, and opens it. Invalid when that cannot be done in one go, whatever the
// reason: it is there already, its parent is not, there is a symbolic link on the way (which may be
// another user's), a file cannot be written, or the kernel is older than 5.6. Then nothing is left
// of it.
UniqueFd MakeFreshDirectory(const FreshDirectory& directory);

}  // namespace criu_node
