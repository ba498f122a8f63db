#pragma once

#include <cstdint>
#include <string>

#include "base/unique_fd.h"

namespace criu_node {

// A socket that listens, and where.
struct Listener {
  UniqueFd socket;
  std::string address;
  uint16_t port = 0;
};

// Listens on an IP address and nowhere else; port 0 for one that is free. Throws Failure (stage
// "listen").
Listener Listen(const std::string& address, uint16_t port);

// Waits for the first connection that sends something; invalid when `stop` became readable before.
// Others, and the listening socket, are closed then: a port scan is no client.
UniqueFd AwaitClient(Listener listener, int stop);

// The IP address at the other end.
std::string PeerOf(const UniqueFd& connection);

}  // namespace criu_node
