#pragma once

#include <fcntl.h>
#include <sched.h>
#include <sys/types.h>

#include <exception>
#include <string>
#include <thread>

#include "base/unique_fd.h"

namespace criu_node {

// The network namespace of a process; invalid when it is gone or may not be looked at.
inline UniqueFd OpenNetworkNamespace(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/ns/net";
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): open() is what there is
  return UniqueFd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

// Runs `body` in a network namespace: on a thread that ends with it, as it may not find its way
// back. Nothing is run where the namespace may not be entered. Throws std::system_error where no
// thread is to be had.
template <typename Body>
void RunInNetwork(const UniqueFd& network_namespace, const Body& body) {
  std::thread([&] {
    try {
      if (setns(network_namespace.get(), CLONE_NEWNET) == 0) body();
    } catch (const std::exception&) {
      // What cannot be done in there is not done.
    }
  }).join();
}

}  // namespace criu_node
