#pragma once

#include <optional>
#include <string>
#include <vector>

namespace criu_node {

// The path of what a descriptor refers to, without links; empty when the kernel cannot tell.
std::string PathOf(int fd);

// Where each path leads for a process whose root is `root`, below which every link and `..` stays:
// the kernel's own resolution. What does not exist is taken as written. Nothing for a path that the
// kernel cannot tell (before 5.6, with a NUL, or too many links).
std::vector<std::optional<std::string>> ResolveInRoot(const std::string& root,
                                                      const std::vector<std::string>& paths);

}  // namespace criu_node
