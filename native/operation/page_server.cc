#include "operation/page_server.h"

#include <sys/socket.h>

#include "linux/process_sockets.h"

namespace criu_node {

std::vector<UniqueFd> ConnectionsToPageServer(const Request& request, pid_t criu) {
  const Endpoint* server = request.PageServer();
  if (server == nullptr || request.ServesPages() || criu <= 0) return {};
  return ConnectionsTo(criu, server->address, server->port);
}

void BreakConnectionsToPageServer(const Request& request, pid_t criu) {
  for (const auto& connection : ConnectionsToPageServer(request, criu)) {
    shutdown(connection.get(), SHUT_RDWR);
  }
}

}  // namespace criu_node
