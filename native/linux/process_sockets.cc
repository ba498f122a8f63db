#include "linux/process_sockets.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <system_error>

#include "base/directory_entries.h"
#include "base/system_calls.h"
#include "base/words.h"
#include "linux/proc_file.h"

namespace criu_node {

namespace {

// An address in network order: 4 bytes or 16. It is empty for a name.
using Address = std::string;

Address Parse(const std::string& text) {
  std::array<char, 16> bytes{};
  for (const auto& [family, size] : {std::pair{AF_INET, 4}, std::pair{AF_INET6, 16}}) {
    if (inet_pton(family, text.c_str(), bytes.data()) == 1) {
      return {bytes.data(), static_cast<size_t>(size)};
    }
  }
  return {};
}

struct Endpoint {
  Address address;
  uint16_t port = 0;
};

std::optional<Endpoint> Read(const sockaddr_storage& storage) {
  const auto* bytes = reinterpret_cast<const char*>(&storage);
  if (storage.ss_family == AF_INET) {
    sockaddr_in in{};
    std::memcpy(&in, bytes, sizeof(in));
    return Endpoint{{reinterpret_cast<const char*>(&in.sin_addr), 4}, ntohs(in.sin_port)};
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 in{};
    std::memcpy(&in, bytes, sizeof(in));
    const Address address(reinterpret_cast<const char*>(&in.sin6_addr), 16);
    // A socket for both families sees an IPv4 address like this.
    const bool mapped = IN6_IS_ADDR_V4MAPPED(&in.sin6_addr);
    return Endpoint{mapped ? address.substr(12) : address, ntohs(in.sin6_port)};
  }
  return std::nullopt;
}

int Option(int socket, int name) {
  int value = -1;
  socklen_t length = sizeof(value);
  getsockopt(socket, SOL_SOCKET, name, &value, &length);
  return value;
}

std::optional<Endpoint> Peer(int socket) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return std::nullopt;
  return Read(storage);
}

// Whether a socket is still connecting; the kernel tells nobody where to.
bool IsConnecting(int socket) {
  tcp_info info{};
  socklen_t length = sizeof(info);
  return getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 &&
         info.tcpi_state == TCP_SYN_SENT;
}

std::vector<UniqueFd> SocketsOf(pid_t pid, const std::function<bool(int socket)>& wanted) {
  std::vector<UniqueFd> found;
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process.valid()) return found;
  ForEachEntry(ProcPath(pid, "fd"), [&](const auto& entry) {
    std::error_code gone;
    if (!read_symlink(entry.path(), gone).native().starts_with("socket:")) return true;
    const auto number = words::Number<int>(entry.path().filename().native()).value_or(-1);
    UniqueFd copy(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), number, 0)));
    const bool is_tcp = copy.valid() && Option(copy.get(), SO_PROTOCOL) == IPPROTO_TCP;
    if (is_tcp && wanted(copy.get())) found.push_back(std::move(copy));
    return true;
  });
  return found;
}

}  // namespace

std::vector<UniqueFd> ConnectionsTo(pid_t pid, const std::string& address, uint16_t port) {
  const Address wanted = Parse(address);
  auto connected = SocketsOf(pid, [&wanted, port](int socket) {
    const auto peer = Peer(socket);
    return peer && peer->port == port && (wanted.empty() || peer->address == wanted);
  });
  if (!connected.empty()) return connected;
  return SocketsOf(pid, IsConnecting);
}

}  // namespace criu_node
