#include "kernel.h"

#include <fcntl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <cstring>

#include "failure.h"
#include "unique_fd.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1U << 1U)
#endif

namespace criu_node {

// Asks for the ruleset's generation, the smallest question nf_tables has an answer to.
bool HasNftables() {
  const UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
  if (!socket.valid()) return false;
  const timeval limit{.tv_sec = 1, .tv_usec = 0};
  setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  struct {
    nlmsghdr header;
    nfgenmsg message;
  } request{};
  request.header.nlmsg_len = sizeof(request);
  request.header.nlmsg_type = (NFNL_SUBSYS_NFTABLES << 8U) | NFT_MSG_GETGEN;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  if (send(socket.get(), &request, sizeof(request), MSG_NOSIGNAL) < 0) return false;
  std::array<char, 4096> buffer{};
  const ssize_t length = recv(socket.get(), buffer.data(), buffer.size(), 0);
  if (length < static_cast<ssize_t>(sizeof(nlmsghdr))) return false;
  nlmsghdr answer{};
  std::memcpy(&answer, buffer.data(), sizeof(answer));
  return answer.nlmsg_type == ((NFNL_SUBSYS_NFTABLES << 8U) | NFT_MSG_NEWGEN);
}

void Exchange(const std::string& first, const std::string& second) {
  // musl has no renameat2().
  if (syscall(SYS_renameat2, AT_FDCWD, first.c_str(), AT_FDCWD, second.c_str(), RENAME_EXCHANGE) !=
      0) {
    throw Failure::System("keep", "cannot exchange " + first + " and " + second);
  }
}

}  // namespace criu_node
