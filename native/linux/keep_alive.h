#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace criu_node {

// How long a peer may be silent, seconds, before its connection counts as broken. Without a limit
// TCP tries for a quarter of an hour, and listens for ever; meanwhile tasks stand still.
constexpr int kSilenceLimit = 20;

// Sets that limit for a connection, or for a socket that listens, whose connections then inherit
// it.
inline void KeepAlive(int socket) {
  constexpr int kIdle = 5;
  constexpr int kInterval = 5;
  constexpr int kProbes = (kSilenceLimit - kIdle) / kInterval;
  const int yes = 1;
  const unsigned int limit_ms = kSilenceLimit * 1000;
  setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
  setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &kIdle, sizeof(kIdle));
  setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &kInterval, sizeof(kInterval));
  setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &kProbes, sizeof(kProbes));
  setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit_ms, sizeof(limit_ms));
}

}  // namespace criu_node
