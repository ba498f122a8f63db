#pragma once

#include <sys/types.h>

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

namespace criu_node {

inline std::string ProcPath(pid_t pid, std::string_view name) {
  return "/proc/" + std::to_string(pid) + '/' + std::string(name);
}

// The text of a file of /proc/PID; empty of a process that is gone.
inline std::string ReadProcFile(pid_t pid, std::string_view name) {
  std::ifstream file(ProcPath(pid, name));
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace criu_node
