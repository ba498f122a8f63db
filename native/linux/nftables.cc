#include "linux/nftables.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "linux/netlink_messages.h"

namespace criu_node {

namespace {

constexpr uint16_t kSubsystem = NFNL_SUBSYS_NFTABLES << 8U;
constexpr uint16_t kGetGeneration = kSubsystem | NFT_MSG_GETGEN;
constexpr uint16_t kNewGeneration = kSubsystem | NFT_MSG_NEWGEN;
constexpr uint16_t kNewTable = kSubsystem | NFT_MSG_NEWTABLE;
constexpr uint16_t kGetTable = kSubsystem | NFT_MSG_GETTABLE;
constexpr uint16_t kDeleteTable = kSubsystem | NFT_MSG_DELTABLE;

// One message; a table's name as its attribute, if there is one.
void AppendMessage(std::vector<uint8_t>* out, uint16_t type, uint16_t flags, uint8_t family,
                   uint16_t resource = 0, std::string_view table = {}) {
  const size_t attribute = table.empty() ? 0 : NLA_HDRLEN + table.size() + 1;
  netlink::Append(out, nlmsghdr{.nlmsg_len = static_cast<uint32_t>(NLMSG_HDRLEN + sizeof(nfgenmsg) +
                                                                   NLA_ALIGN(attribute)),
                                .nlmsg_type = type,
                                .nlmsg_flags = static_cast<uint16_t>(NLM_F_REQUEST | flags),
                                .nlmsg_seq = 1,
                                .nlmsg_pid = 0});
  netlink::Append(
      out, nfgenmsg{.nfgen_family = family, .version = NFNETLINK_V0, .res_id = htons(resource)});
  if (table.empty()) return;
  netlink::Append(out,
                  nlattr{.nla_len = static_cast<uint16_t>(attribute), .nla_type = NFTA_TABLE_NAME});
  out->insert(out->end(), table.begin(), table.end());
  out->resize(out->size() + 1 + (NLA_ALIGN(attribute) - attribute));
}

// Calls `each(type, payload)` for every message of the answer, until it returns false.
template <typename Each>
void Receive(const UniqueFd& socket, const Each& each) {
  netlink::Receive(socket, 0, [&](const nlmsghdr& header, std::span<const uint8_t> payload) {
    return each(header.nlmsg_type, payload);
  });
}

// The name in the payload of a table's message; empty for one of another family.
std::string TableName(std::span<const uint8_t> payload) {
  if (netlink::Read<nfgenmsg>(payload).nfgen_family != NFPROTO_INET) return {};
  std::string found;
  netlink::ForEachAttribute<nfgenmsg>(payload, [&](uint16_t type, std::span<const uint8_t> name) {
    if (type == NFTA_TABLE_NAME) found.assign(name.begin(), std::ranges::find(name, 0));
  });
  return found;
}

}  // namespace

UniqueFd OpenNftables() { return netlink::Open(NETLINK_NETFILTER); }

// Asks for the ruleset's generation, the smallest question nf_tables has an answer to.
bool HasNftables(const UniqueFd& socket) {
  std::vector<uint8_t> message;
  AppendMessage(&message, kGetGeneration, 0, AF_UNSPEC);
  bool has = false;
  if (!netlink::Send(socket, message)) return false;
  Receive(socket, [&](uint16_t type, std::span<const uint8_t> /*payload*/) {
    has = type == kNewGeneration;
    return false;
  });
  return has;
}

std::set<std::string> ListTables(const UniqueFd& socket, const std::string& prefix) {
  std::vector<uint8_t> message;
  AppendMessage(&message, kGetTable, NLM_F_DUMP, NFPROTO_INET);
  std::set<std::string> names;
  if (!netlink::Send(socket, message)) return names;
  Receive(socket, [&](uint16_t type, std::span<const uint8_t> payload) {
    if (type != kNewTable) return false;  // the end, or an error
    const std::string name = TableName(payload);
    if (name.starts_with(prefix)) names.insert(name);
    return true;
  });
  return names;
}

void FollowTables(const UniqueFd& socket) {
  const int group = NFNLGRP_NFTABLES;
  setsockopt(socket.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group));
}

std::map<std::string, uint32_t> FollowedTables(const UniqueFd& socket, const std::string& prefix) {
  const int group = NFNLGRP_NFTABLES;
  setsockopt(socket.get(), SOL_NETLINK, NETLINK_DROP_MEMBERSHIP, &group, sizeof(group));
  std::map<std::string, uint32_t> tables;
  netlink::Receive(socket, MSG_DONTWAIT,
                   [&](const nlmsghdr& header, std::span<const uint8_t> payload) {
                     if (header.nlmsg_type != kNewTable) return true;
                     if (std::string name = TableName(payload); name.starts_with(prefix)) {
                       tables.emplace(std::move(name), header.nlmsg_pid);
                     }
                     return true;
                   });
  return tables;
}

void DeleteTable(const UniqueFd& socket, const std::string& name) {
  std::vector<uint8_t> batch;
  AppendMessage(&batch, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  AppendMessage(&batch, kDeleteTable, NLM_F_ACK, NFPROTO_INET, 0, name);
  AppendMessage(&batch, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
  if (!netlink::Send(socket, batch)) return;
  Receive(socket, [](uint16_t /*type*/, std::span<const uint8_t> /*payload*/) { return false; });
}

}  // namespace criu_node
