#include "linux/unix_sockets.h"

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <span>
#include <utility>

#include "linux/netlink_messages.h"
#include "linux/network_namespace.h"

namespace criu_node {

namespace {

constexpr uint32_t kAllStates = ~0U;

std::vector<uint8_t> Question() {
  std::vector<uint8_t> message;
  unix_diag_req request{};
  request.sdiag_family = AF_UNIX;
  request.udiag_states = kAllStates;
  request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS | UDIAG_SHOW_RQLEN;
  netlink::Append(&message, nlmsghdr{.nlmsg_len = NLMSG_LENGTH(sizeof(request)),
                                     .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                                     .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
                                     .nlmsg_seq = 1,
                                     .nlmsg_pid = 0});
  netlink::Append(&message, request);
  return message;
}

UnixSocket Read(std::span<const uint8_t> payload) {
  const auto header = netlink::Read<unix_diag_msg>(payload);
  UnixSocket socket;
  socket.inode = header.udiag_ino;
  socket.type = header.udiag_type;
  socket.state = header.udiag_state;
  netlink::ForEachAttribute<unix_diag_msg>(
      payload, [&socket](uint16_t type, std::span<const uint8_t> bytes) {
        if (type == UNIX_DIAG_NAME) socket.name.assign(bytes.begin(), bytes.end());
        if (type == UNIX_DIAG_PEER) socket.peer = netlink::Read<uint32_t>(bytes);
        if (type == UNIX_DIAG_SHUTDOWN) socket.shutdown = netlink::Read<uint8_t>(bytes);
        if (type == UNIX_DIAG_RQLEN) {
          const auto lengths = netlink::Read<unix_diag_rqlen>(bytes);
          socket.unread = lengths.udiag_rqueue;
          socket.unsent = lengths.udiag_wqueue;
        }
        if (type != UNIX_DIAG_ICONS) return;
        for (; bytes.size() >= sizeof(uint32_t); bytes = bytes.subspan(sizeof(uint32_t))) {
          socket.ends.push_back(netlink::Read<uint32_t>(bytes));
        }
      });
  return socket;
}

std::optional<std::vector<UnixSocket>> Ask() {
  const UniqueFd socket = netlink::Open(NETLINK_SOCK_DIAG);
  if (!socket.valid() || !netlink::Send(socket, Question())) return std::nullopt;
  return ReceiveUnixSockets(socket);
}

bool IsOurs(const UniqueFd& network_namespace) {
  struct stat theirs {};
  struct stat ours {};
  return fstat(network_namespace.get(), &theirs) == 0 && stat("/proc/self/ns/net", &ours) == 0 &&
         theirs.st_ino == ours.st_ino && theirs.st_dev == ours.st_dev;
}

}  // namespace

std::optional<std::vector<UnixSocket>> ReceiveUnixSockets(const UniqueFd& socket) {
  std::vector<UnixSocket> sockets;
  bool is_complete = false;
  netlink::Receive(socket, 0, [&](const nlmsghdr& header, std::span<const uint8_t> payload) {
    is_complete = header.nlmsg_type == NLMSG_DONE;
    if (header.nlmsg_type != SOCK_DIAG_BY_FAMILY) return false;  // the end, or an error
    sockets.push_back(Read(payload));
    return true;
  });
  if (!is_complete) return std::nullopt;
  return sockets;
}

std::optional<std::vector<UnixSocket>> UnixSockets(pid_t pid) {
  const UniqueFd network_namespace = OpenNetworkNamespace(pid);
  if (!network_namespace.valid()) return std::nullopt;
  // It takes no privilege to ask where one is.
  if (IsOurs(network_namespace)) return Ask();
  std::optional<std::vector<UnixSocket>> sockets;
  try {
    RunInNetwork(network_namespace, [&sockets] { sockets = Ask(); });
  } catch (const std::exception&) {
    // Without a thread nothing is known.
  }
  return sockets;
}

}  // namespace criu_node
