// Preloaded into criu: for a network namespace it asks the kernel twice for all tracked
// connections, and each time the kernel walks the table of the whole host, of 262144 buckets on
// most, with the tasks frozen. Where the namespace has none, which the kernel tells at once, criu
// is given the same empty answer without a walk.

#include <fcntl.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

#include "programs/preload/hide_from_children.h"

namespace {

constexpr uint16_t ConntrackMessage(uint16_t type) {
  return static_cast<uint16_t>(NFNL_SUBSYS_CTNETLINK << 8U) | type;
}

// Whether a message asks for all tracked connections. criu's second one means to ask for those that
// are expected, of which there are none either without a connection that expects them.
bool AsksForAll(const msghdr& message) {
  if (message.msg_iovlen != 1 || message.msg_iov->iov_len < sizeof(nlmsghdr)) return false;
  nlmsghdr header{};
  memcpy(&header, message.msg_iov->iov_base, sizeof(header));
  return header.nlmsg_type == ConntrackMessage(IPCTNL_MSG_CT_GET) &&
         (header.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
}

bool IsNetfilter(int socket) {
  int value = 0;
  socklen_t length = sizeof(value);
  if (getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &value, &length) != 0 || value != AF_NETLINK) {
    return false;
  }
  length = sizeof(value);
  return getsockopt(socket, SOL_SOCKET, SO_PROTOCOL, &value, &length) == 0 &&
         value == NETLINK_NETFILTER;
}

// Whether the network namespace in which criu is at this moment has no connections.
bool HasNoConnections() {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): open() is what there is
  const int file = open("/proc/sys/net/netfilter/nf_conntrack_count", O_RDONLY | O_CLOEXEC);
  if (file < 0) return false;
  char text[2] = {};  // NOLINT(*-avoid-c-arrays)
  const ssize_t length = read(file, text, sizeof(text));
  close(file);
  return length == 2 && text[0] == '0' && text[1] == '\n';
}

ssize_t Send(int socket, const msghdr* message, int flags) {
  return syscall(SYS_sendmsg, socket, message, flags);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) ssize_t sendmsg(int socket, const msghdr* message,
                                                                  int flags) {
  if (!AsksForAll(*message) || !IsNetfilter(socket) || !HasNoConnections()) {
    return Send(socket, message, flags);
  }
  // criu asks for those that are not confirmed yet, which the kernel does not list any more: it
  // gets nothing, in the same form.
  auto* header = static_cast<nlmsghdr*>(message->msg_iov->iov_base);
  header->nlmsg_type = ConntrackMessage(IPCTNL_MSG_CT_GET_UNCONFIRMED);
  return Send(socket, message, flags);
}
