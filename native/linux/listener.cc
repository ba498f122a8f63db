#include "linux/listener.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "base/failure.h"

namespace criu_node {

namespace {

// How many connections that have not sent anything, as a port scan makes them, are kept open.
constexpr size_t kMaxSilent = 16;
// How long it is waited for a descriptor that is free.
constexpr int kShortageMs = 50;

struct AddressList {
  addrinfo* first = nullptr;
  AddressList() = default;
  ~AddressList() {
    if (first != nullptr) freeaddrinfo(first);
  }
  AddressList(const AddressList&) = delete;
  AddressList& operator=(const AddressList&) = delete;
  AddressList(AddressList&&) = delete;
  AddressList& operator=(AddressList&&) = delete;
};

struct Endpoint {
  std::string address;
  uint16_t port = 0;
};

Endpoint Describe(const sockaddr_storage& storage, socklen_t length) {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> service{};
  if (getnameinfo(reinterpret_cast<const sockaddr*>(&storage), length, host.data(), host.size(),
                  service.data(), service.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return {};
  }
  return {host.data(), static_cast<uint16_t>(std::stoi(service.data()))};
}

// Whether a connection has sent something (true), has gone away (false), or neither.
std::optional<bool> HasSent(const UniqueFd& connection) {
  char byte = 0;
  const ssize_t length = recv(connection.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (length > 0) return true;
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  return false;
}

}  // namespace

Listener Listen(const std::string& address, uint16_t port) {
  const std::string where = address + " port " + std::to_string(port);
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  AddressList list;
  if (getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &list.first) != 0) {
    throw Failure("listen", EINVAL, "cannot listen on " + where);
  }
  UniqueFd socket(::socket(list.first->ai_family, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
  const int yes = 1;
  setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (list.first->ai_family == AF_INET6) {
    setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
  }
  if (!socket.valid() || bind(socket.get(), list.first->ai_addr, list.first->ai_addrlen) != 0 ||
      listen(socket.get(), kMaxSilent) != 0) {
    throw Failure::System("listen", "cannot listen on " + where);
  }
  fcntl(socket.get(), F_SETFL, O_NONBLOCK);
  sockaddr_storage bound{};
  socklen_t length = sizeof(bound);
  getsockname(socket.get(), reinterpret_cast<sockaddr*>(&bound), &length);
  auto [shown, number] = Describe(bound, length);
  return {.socket = std::move(socket), .address = std::move(shown), .port = number};
}

UniqueFd AwaitClient(Listener listener, int stop) {
  std::vector<UniqueFd> silent;
  bool is_short = false;  // of descriptors or memory
  for (;;) {
    std::vector<pollfd> fds{{stop, POLLIN, 0}, {listener.socket.get(), POLLIN, 0}};
    for (const auto& connection : silent) fds.push_back({connection.get(), POLLIN, 0});
    // Without a descriptor for it a connection stays where it is, and would be told again at once.
    if (is_short) fds[1].fd = -1;
    if (poll(fds.data(), fds.size(), is_short ? kShortageMs : -1) < 0) continue;  // EINTR
    is_short = false;
    if (fds[0].revents != 0) return {};
    for (auto it = silent.begin(); it != silent.end();) {
      const auto sent = HasSent(*it);
      if (sent == true) return std::move(*it);
      it = sent == false ? silent.erase(it) : it + 1;
    }
    if (fds[1].revents == 0) continue;
    UniqueFd connection(accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection.valid()) {
      is_short = errno != EAGAIN && errno != EINTR && errno != ECONNABORTED;
      continue;
    }
    if (silent.size() == kMaxSilent) silent.erase(silent.begin());
    silent.push_back(std::move(connection));
  }
}

std::string PeerOf(const UniqueFd& connection) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (getpeername(connection.get(), reinterpret_cast<sockaddr*>(&storage), &length) != 0) return {};
  return Describe(storage, length).address;
}

}  // namespace criu_node
