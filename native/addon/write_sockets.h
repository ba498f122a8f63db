#pragma once

#include <napi.h>

#include <vector>

#include "linux/unix_sockets.h"

namespace criu_node {

// Unix sockets as lib/native/contract.ts declares them.
inline Napi::Value WriteUnixSockets(Napi::Env env, const std::vector<UnixSocket>& sockets) {
  auto list = Napi::Array::New(env, sockets.size());
  for (uint32_t i = 0; i < sockets.size(); ++i) {
    const UnixSocket& socket = sockets[i];
    auto ends = Napi::Array::New(env, socket.ends.size());
    for (uint32_t j = 0; j < socket.ends.size(); ++j) ends[j] = socket.ends[j];
    auto object = Napi::Object::New(env);
    object["inode"] = socket.inode;
    object["type"] = socket.type;
    object["state"] = socket.state;
    object["peer"] = socket.peer;
    object["name"] = socket.name;
    object["ends"] = ends;
    object["unread"] = socket.unread;
    object["unsent"] = socket.unsent;
    object["shutdown"] = socket.shutdown;
    list[i] = object;
  }
  return list;
}

}  // namespace criu_node
