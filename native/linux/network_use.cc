#include "linux/network_use.h"

#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>

#include "linux/family.h"
#include "linux/process_facts.h"
#include "linux/protocols.h"

namespace criu_node {

namespace {

bool HoldsOne(pid_t pid) {
  std::error_code error;
  std::filesystem::directory_iterator entries("/proc/" + std::to_string(pid) + "/fd", error);
  for (; !error && entries != std::filesystem::directory_iterator(); entries.increment(error)) {
    const std::string name = entries->path().filename();
    int fd = -1;
    std::from_chars(name.data(), name.data() + name.size(), fd);
    const auto protocol = SocketProtocol(pid, fd);
    if (protocol && !protocols::IsBesideIp(*protocol)) return true;
  }
  return false;
}

}  // namespace

bool HasNetworkSockets(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/net/protocols");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return protocols::CountSockets(
             text, [](std::string_view name) { return !protocols::IsBesideIp(name); }) != 0;
}

bool HoldsNetworkSocket(pid_t root) {
  bool holds = false;
  ForFamily(root, [&holds](pid_t pid) {
    holds = holds || HoldsOne(pid);
    return !holds;
  });
  return holds;
}

}  // namespace criu_node
