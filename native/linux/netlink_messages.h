#pragma once

#include <linux/netlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "base/unique_fd.h"

// Questions to the kernel by netlink, and its answers, of whatever protocol.
namespace criu_node::netlink {

// A socket that waits no longer than a second for an answer; an invalid one when there is none.
inline UniqueFd Open(int protocol) {
  UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  const timeval limit{.tv_sec = 1, .tv_usec = 0};
  if (socket.valid()) setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  return socket;
}

template <typename T>
void Append(std::vector<uint8_t>* out, const T& value) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(&value);
  out->insert(out->end(), bytes, bytes + sizeof(value));
}

// Zeros where there are not enough bytes.
template <typename T>
T Read(std::span<const uint8_t> bytes) {
  T value{};
  if (bytes.size() >= sizeof(value)) std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

// As many as there are bytes for.
template <typename T>
std::vector<T> ReadAll(std::span<const uint8_t> bytes) {
  std::vector<T> values;
  for (; bytes.size() >= sizeof(T); bytes = bytes.subspan(sizeof(T))) {
    values.push_back(Read<T>(bytes));
  }
  return values;
}

inline bool Send(const UniqueFd& socket, const std::vector<uint8_t>& message) {
  return send(socket.get(), message.data(), message.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(message.size());
}

// Calls `each(header, payload)` for every message that comes, until it returns false.
template <typename Each>
void Receive(const UniqueFd& socket, int flags, const Each& each) {
  std::array<uint8_t, 32UL * 1024> buffer{};
  for (;;) {
    const ssize_t length = recv(socket.get(), buffer.data(), buffer.size(), flags);
    // There were more messages than there was room for; what came first is still there.
    if (length < 0 && errno == ENOBUFS) continue;
    if (length <= 0) return;
    std::span<const uint8_t> rest(buffer.data(), static_cast<size_t>(length));
    while (rest.size() >= NLMSG_HDRLEN) {
      const auto header = Read<nlmsghdr>(rest);
      if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > rest.size()) return;
      if (!each(header, rest.subspan(NLMSG_HDRLEN, header.nlmsg_len - NLMSG_HDRLEN))) return;
      rest = rest.subspan(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), rest.size()));
    }
  }
}

// Calls `each(type, bytes)` for every attribute behind the protocol's own header.
template <typename Header, typename Each>
void ForEachAttribute(std::span<const uint8_t> payload, const Each& each) {
  auto rest = payload.subspan(std::min<size_t>(NLMSG_ALIGN(sizeof(Header)), payload.size()));
  while (rest.size() >= NLA_HDRLEN) {
    const auto attribute = Read<nlattr>(rest);
    if (attribute.nla_len < NLA_HDRLEN || attribute.nla_len > rest.size()) return;
    each(static_cast<uint16_t>(attribute.nla_type & NLA_TYPE_MASK),
         rest.subspan(NLA_HDRLEN, attribute.nla_len - NLA_HDRLEN));
    rest = rest.subspan(std::min<size_t>(NLA_ALIGN(attribute.nla_len), rest.size()));
  }
}

}  // namespace criu_node::netlink
