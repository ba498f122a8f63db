#include "linux/network_use.h"

#include <string>
#include <string_view>

#include "base/directory_entries.h"
#include "base/words.h"
#include "linux/family.h"
#include "linux/proc_file.h"
#include "linux/process_facts.h"
#include "linux/protocols.h"

namespace criu_node {

namespace {

bool HoldsOne(pid_t pid) {
  bool holds = false;
  ForEachEntry(ProcPath(pid, "fd"), [&](const auto& entry) {
    const auto fd = words::Number<int>(entry.path().filename().native());
    const auto protocol = SocketProtocol(pid, fd.value_or(-1));
    holds = protocol && !protocols::IsBesideIp(*protocol);
    return !holds;
  });
  return holds;
}

}  // namespace

bool HasNetworkSockets(pid_t pid) {
  const std::string text = ReadProcFile(pid, "net/protocols");
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
