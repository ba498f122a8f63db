#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "base/unique_fd.h"

namespace criu_node {

// The groups of a netlink socket (netlink_diag).
struct NetlinkMemberships {
  uint32_t inode = 0;
  uint32_t port = 0;             // its address; 0 where it has none
  std::vector<uint32_t> groups;  // a bit for each group that it is in, 32 in a word
};

// The addresses that a packet socket listens for beside that of the interface (packet_diag).
struct PacketMemberships {
  uint32_t inode = 0;
  std::vector<uint32_t> counts;  // how many times it has asked for each of them
};

struct Memberships {
  std::vector<NetlinkMemberships> netlink;
  std::vector<PacketMemberships> packet;
};

// The memberships of all sockets in the network namespace of a process. Nothing where that may not
// be entered. A family is empty about which the kernel does not answer.
std::optional<Memberships> MembershipsIn(pid_t pid);

// What an answer of netlink_diag, or packet_diag, tells of, which comes over this socket.
std::vector<NetlinkMemberships> ReceiveNetlinkMemberships(const UniqueFd& socket);
std::vector<PacketMemberships> ReceivePacketMemberships(const UniqueFd& socket);

}  // namespace criu_node
