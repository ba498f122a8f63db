#pragma once

#include <sys/types.h>

#include <exception>
#include <filesystem>
#include <system_error>

#include "base/directory_entries.h"
#include "linux/proc_file.h"

namespace criu_node {

// Whether a process holds a userfaultfd. Tasks that criu restores wait at it for their memory, and
// find zeros in the place of what is missing when it closes. Without the memory to look, it may.
inline bool ServesFaults(pid_t pid) noexcept {
  try {
    bool serves = false;
    ForEachEntry(ProcPath(pid, "fd"), [&serves](const auto& entry) {
      std::error_code gone;
      serves = read_symlink(entry.path(), gone) == "anon_inode:[userfaultfd]";
      return !serves;
    });
    return serves;
  } catch (const std::exception&) {
    return true;
  }
}

}  // namespace criu_node
