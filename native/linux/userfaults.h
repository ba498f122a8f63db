#pragma once

#include <sys/types.h>

#include <exception>
#include <filesystem>
#include <string>
#include <system_error>

namespace criu_node {

// Whether a process holds a userfaultfd. Tasks that criu restores wait at it for their memory, and
// find zeros in the place of what is missing when it closes. Without the memory to look, it may.
inline bool ServesFaults(pid_t pid) noexcept {
  try {
    std::error_code error;
    std::filesystem::directory_iterator entries("/proc/" + std::to_string(pid) + "/fd", error);
    for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
      std::error_code gone;
      if (read_symlink(entries->path(), gone) == "anon_inode:[userfaultfd]") return true;
    }
    return false;
  } catch (const std::exception&) {
    return true;
  }
}

}  // namespace criu_node
