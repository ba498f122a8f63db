#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "base/words.h"

// What /proc/PID/net/protocols tells: how many sockets of each protocol there are in the network
// namespace of a process. The kernel keeps these counts, while a list of the sockets takes a walk
// through the table of the whole machine. A socket counts from when packets can reach it.
//
// There is nothing here that needs the C++ library when it runs: criu gets it preloaded.
namespace criu_node::protocols {

// The number of sockets in one line; -1 where it is not understood. Gives the protocol's name, too.
inline int SocketsIn(std::string_view line, std::string_view* name) {
  constexpr std::string_view kSpace = " ";
  *name = words::Take(&line, kSpace);
  words::Take(&line, kSpace);  // the size of one
  return words::Number<int>(words::Take(&line, kSpace)).value_or(-1);
}

// The sockets of those protocols whose name is `wanted`; -1 where the text does not tell.
template <typename IsWanted>
int CountSockets(std::string_view text, const IsWanted& is_wanted) {
  constexpr std::string_view kHeading = "protocol ";
  if (!text.starts_with(kHeading) || !text.ends_with('\n')) return -1;
  text.remove_prefix(text.find('\n') + 1);
  int lines = 0;
  int sum = 0;
  for (; !text.empty(); ++lines) {
    std::string_view name;
    const int sockets = SocketsIn(text.substr(0, text.find('\n')), &name);
    text.remove_prefix(text.find('\n') + 1);
    if (!is_wanted(name)) continue;
    if (sockets < 0) return -1;
    sum = std::max(sum, sockets);
  }
  return lines == 0 ? -1 : sum;
}

// Whether a protocol's packets are none of IP: no rule of a packet filter keeps them from a socket.
constexpr bool IsBesideIp(std::string_view name) {
  constexpr std::array<std::string_view, 5> kNames = {"UNIX", "UNIX-STREAM", "NETLINK", "AF_VSOCK",
                                                      "KEY"};
  return std::ranges::find(kNames, name) != kNames.end();
}

constexpr bool IsTcp(std::string_view name) { return name == "TCP" || name == "TCPv6"; }

}  // namespace criu_node::protocols
