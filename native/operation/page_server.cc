#include "operation/page_server.h"

#include <sys/socket.h>

#include "base/failure.h"
#include "linux/process_sockets.h"

namespace criu_node {

std::vector<UniqueFd> ConnectionsToPageServer(const Request& request, pid_t criu) noexcept {
  std::vector<UniqueFd> connections;
  const Endpoint* server = request.PageServer();
  if (server == nullptr || request.ServesPages() || criu <= 0) return connections;
  static_cast<void>(Attempt(
      "request", [&] { connections = ConnectionsTo(criu, server->address, server->port); }));
  return connections;
}

void BreakConnectionsToPageServer(const Request& request, pid_t criu) noexcept {
  for (const auto& connection : ConnectionsToPageServer(request, criu)) {
    shutdown(connection.get(), SHUT_RDWR);
  }
}

}  // namespace criu_node
