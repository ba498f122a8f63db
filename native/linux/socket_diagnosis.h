#pragma once

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <vector>

#include "base/unique_fd.h"
#include "linux/netlink_messages.h"
#include "linux/network_namespace.h"

// Questions about all sockets of a family in a network namespace (sock_diag), as CRIU asks them.
namespace criu_node::sock_diag {

// Asks for all that a request of the family's own type describes.
template <typename Request>
bool Ask(const UniqueFd& socket, const Request& request) {
  std::vector<uint8_t> message;
  netlink::Append(&message, nlmsghdr{.nlmsg_len = NLMSG_LENGTH(sizeof(request)),
                                     .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                                     .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                                     .nlmsg_seq = 1,
                                     .nlmsg_pid = 0});
  netlink::Append(&message, request);
  return netlink::Send(socket, message);
}

// Calls `each(payload)` for every socket of an answer. Returns whether that was complete.
template <typename Each>
bool Receive(const UniqueFd& socket, const Each& each) {
  bool is_complete = false;
  netlink::Receive(socket, 0, [&](const nlmsghdr& header, std::span<const uint8_t> payload) {
    is_complete = header.nlmsg_type == NLMSG_DONE;
    if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) return false;  // the end, or an error
    each(payload);
    return true;
  });
  return is_complete;
}

inline bool IsOurs(const UniqueFd& network_namespace) {
  struct stat theirs {};
  struct stat ours {};
  return fstat(network_namespace.get(), &theirs) == 0 && stat("/proc/self/ns/net", &ours) == 0 &&
         theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev;
}

// What `body(socket)` finds out in the network namespace of a process, given a socket for
// questions. Nothing where that may not be entered.
template <typename Found, typename Body>
std::optional<Found> InNetworkOf(pid_t pid, const Body& body) {
  const UniqueFd network_namespace = OpenNetworkNamespace(pid);
  if (!network_namespace.valid()) return std::nullopt;
  std::optional<Found> found;
  const auto look = [&found, &body] {
    const UniqueFd socket = netlink::Open(NETLINK_SOCK_DIAG);
    if (socket.valid()) found = body(socket);
  };
  // It takes no privilege to ask where one is.
  if (IsOurs(network_namespace)) {
    look();
    return found;
  }
  try {
    RunInNetwork(network_namespace, look);
  } catch (const std::exception&) {
    // Without a thread nothing is known.
  }
  return found;
}

}  // namespace criu_node::sock_diag
