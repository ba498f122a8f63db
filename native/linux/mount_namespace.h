#pragma once

#include <unistd.h>

#include <array>
#include <string>

namespace criu_node {

// The identity of a process's mount namespace ("self", or a pid); empty when it cannot be told.
inline std::string MountNamespace(const std::string& process) {
  std::array<char, 64> target{};
  const std::string path = "/proc/" + process + "/ns/mnt";
  const ssize_t length = readlink(path.c_str(), target.data(), target.size());
  return length > 0 ? std::string(target.data(), static_cast<size_t>(length)) : std::string();
}

}  // namespace criu_node
