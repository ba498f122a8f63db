#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace criu_node {

// What the kernel tells of a unix socket (unix_diag), as CRIU asks it.
struct UnixSocket {
  uint32_t inode = 0;
  int type = 0;                // SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET
  int state = 0;               // as of TCP: 1 connected, 7 not, 10 listening
  uint32_t peer = 0;           // the inode of the other end; 0 where that has none
  std::string name;            // a path, or with a NUL first
  std::vector<uint32_t> ends;  // of one that listens: the other ends of what nobody has accepted
  uint32_t unread = 0;         // bytes
  uint32_t unsent = 0;         // bytes that the other end has not read, with the kernel's own
  int shutdown = 0;            // bit 0: no more is received, bit 1: sent
};

// The unix sockets in the network namespace of a process. Nothing where that may not be entered, or
// the kernel does not answer.
std::optional<std::vector<UnixSocket>> UnixSockets(pid_t pid);

// Those that an answer of unix_diag tells of, which comes over this socket.
std::optional<std::vector<UnixSocket>> ReceiveUnixSockets(const UniqueFd& socket);

}  // namespace criu_node
