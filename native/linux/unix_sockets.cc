#include "linux/unix_sockets.h"

#include <linux/unix_diag.h>
#include <sys/socket.h>

#include <span>
#include <utility>

#include "linux/netlink_messages.h"
#include "linux/socket_diagnosis.h"

namespace criu_node {

namespace {

constexpr uint32_t kAllStates = ~0U;

unix_diag_req Question() {
  unix_diag_req request{};
  request.sdiag_family = AF_UNIX;
  request.udiag_states = kAllStates;
  request.udiag_show = UDIAG_SHOW_NAME | UDIAG_SHOW_PEER | UDIAG_SHOW_ICONS | UDIAG_SHOW_RQLEN;
  return request;
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
        if (type == UNIX_DIAG_ICONS) socket.ends = netlink::ReadAll<uint32_t>(bytes);
      });
  return socket;
}

}  // namespace

std::optional<std::vector<UnixSocket>> ReceiveUnixSockets(const UniqueFd& socket) {
  std::vector<UnixSocket> sockets;
  const bool is_complete = sock_diag::Receive(
      socket, [&sockets](std::span<const uint8_t> payload) { sockets.push_back(Read(payload)); });
  if (!is_complete) return std::nullopt;
  return sockets;
}

std::optional<std::vector<UnixSocket>> UnixSockets(pid_t pid) {
  return sock_diag::InNetworkOf<std::vector<UnixSocket>>(
      pid, [](const UniqueFd& socket) -> std::optional<std::vector<UnixSocket>> {
        if (!sock_diag::Ask(socket, Question())) return std::nullopt;
        return ReceiveUnixSockets(socket);
      });
}

}  // namespace criu_node
