#include "linux/connect_unix.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <iterator>

#include "base/failure.h"

namespace criu_node {

UniqueFd ConnectUnix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) {
    throw Failure("request", ENAMETOOLONG, "cannot connect to " + path);
  }
  path.copy(std::data(address.sun_path), path.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid() ||
      connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    throw Failure::System("request", "cannot connect to " + path);
  }
  // Whoever gets it writes as to any standard output.
  fcntl(socket.get(), F_SETFL, 0);  // NOLINT(cppcoreguidelines-pro-type-vararg)
  return socket;
}

}  // namespace criu_node
