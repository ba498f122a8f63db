#pragma once

#include <filesystem>
#include <string>
#include <system_error>

namespace criu_node {

// Calls `visit(entry)` for what is in a directory, until it returns false. What goes away
// meanwhile, the directory included, is passed over.
template <typename Visit>
void ForEachEntry(const std::string& directory, const Visit& visit) {
  std::error_code error;
  std::filesystem::directory_iterator entries(directory, error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    if (!visit(*entries)) return;
  }
}

}  // namespace criu_node
