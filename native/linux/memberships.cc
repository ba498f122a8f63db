#include "linux/memberships.h"

#include <linux/netlink_diag.h>
#include <linux/packet_diag.h>
#include <sys/socket.h>

#include <span>
#include <utility>

#include "linux/netlink_messages.h"
#include "linux/socket_diagnosis.h"

namespace criu_node {

namespace {

netlink_diag_req NetlinkQuestion() {
  netlink_diag_req request{};
  request.sdiag_family = AF_NETLINK;
  request.sdiag_protocol = NDIAG_PROTO_ALL;
  request.ndiag_show = NDIAG_SHOW_GROUPS;
  return request;
}

packet_diag_req PacketQuestion() {
  packet_diag_req request{};
  request.sdiag_family = AF_PACKET;
  request.pdiag_show = PACKET_SHOW_MCLIST;
  return request;
}

NetlinkMemberships ReadNetlink(std::span<const uint8_t> payload) {
  const auto header = netlink::Read<netlink_diag_msg>(payload);
  NetlinkMemberships socket;
  socket.inode = header.ndiag_ino;
  socket.port = header.ndiag_portid;
  netlink::ForEachAttribute<netlink_diag_msg>(
      payload, [&socket](uint16_t type, std::span<const uint8_t> bytes) {
        if (type == NETLINK_DIAG_GROUPS) socket.groups = netlink::ReadAll<uint32_t>(bytes);
      });
  return socket;
}

PacketMemberships ReadPacket(std::span<const uint8_t> payload) {
  PacketMemberships socket;
  socket.inode = netlink::Read<packet_diag_msg>(payload).pdiag_ino;
  netlink::ForEachAttribute<packet_diag_msg>(
      payload, [&socket](uint16_t type, std::span<const uint8_t> bytes) {
        if (type != PACKET_DIAG_MCLIST) return;
        for (const auto& one : netlink::ReadAll<packet_diag_mclist>(bytes)) {
          socket.counts.push_back(one.pdmc_count);
        }
      });
  return socket;
}

}  // namespace

std::vector<NetlinkMemberships> ReceiveNetlinkMemberships(const UniqueFd& socket) {
  std::vector<NetlinkMemberships> sockets;
  sock_diag::Receive(socket, [&sockets](std::span<const uint8_t> payload) {
    sockets.push_back(ReadNetlink(payload));
  });
  return sockets;
}

std::vector<PacketMemberships> ReceivePacketMemberships(const UniqueFd& socket) {
  std::vector<PacketMemberships> sockets;
  sock_diag::Receive(socket, [&sockets](std::span<const uint8_t> payload) {
    sockets.push_back(ReadPacket(payload));
  });
  return sockets;
}

std::optional<Memberships> MembershipsIn(pid_t pid) {
  return sock_diag::InNetworkOf<Memberships>(pid, [](const UniqueFd& socket) {
    Memberships memberships;
    if (sock_diag::Ask(socket, NetlinkQuestion())) {
      memberships.netlink = ReceiveNetlinkMemberships(socket);
    }
    if (sock_diag::Ask(socket, PacketQuestion())) {
      memberships.packet = ReceivePacketMemberships(socket);
    }
    return memberships;
  });
}

}  // namespace criu_node
