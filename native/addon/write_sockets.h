#pragma once

#include <napi.h>

#include <vector>

#include "linux/memberships.h"
#include "linux/unix_sockets.h"

namespace criu_node {

inline Napi::Value WriteNumbers(Napi::Env env, const std::vector<uint32_t>& numbers) {
  auto list = Napi::Array::New(env, numbers.size());
  for (uint32_t i = 0; i < numbers.size(); ++i) list[i] = numbers[i];
  return list;
}

// Unix sockets as lib/native/contract.ts declares them.
inline Napi::Value WriteUnixSockets(Napi::Env env, const std::vector<UnixSocket>& sockets) {
  auto list = Napi::Array::New(env, sockets.size());
  for (uint32_t i = 0; i < sockets.size(); ++i) {
    const UnixSocket& socket = sockets[i];
    auto object = Napi::Object::New(env);
    object["inode"] = socket.inode;
    object["type"] = socket.type;
    object["state"] = socket.state;
    object["peer"] = socket.peer;
    object["name"] = socket.name;
    object["ends"] = WriteNumbers(env, socket.ends);
    object["unread"] = socket.unread;
    object["unsent"] = socket.unsent;
    object["shutdown"] = socket.shutdown;
    list[i] = object;
  }
  return list;
}

// Memberships as lib/native/contract.ts declares them.
inline Napi::Value WriteMemberships(Napi::Env env, const Memberships& memberships) {
  auto netlink = Napi::Array::New(env, memberships.netlink.size());
  for (uint32_t i = 0; i < memberships.netlink.size(); ++i) {
    const NetlinkMemberships& socket = memberships.netlink[i];
    auto object = Napi::Object::New(env);
    object["inode"] = socket.inode;
    object["port"] = socket.port;
    object["groups"] = WriteNumbers(env, socket.groups);
    netlink[i] = object;
  }
  auto packet = Napi::Array::New(env, memberships.packet.size());
  for (uint32_t i = 0; i < memberships.packet.size(); ++i) {
    auto object = Napi::Object::New(env);
    object["inode"] = memberships.packet[i].inode;
    object["counts"] = WriteNumbers(env, memberships.packet[i].counts);
    packet[i] = object;
  }
  auto both = Napi::Object::New(env);
  both["netlink"] = netlink;
  both["packet"] = packet;
  return both;
}

}  // namespace criu_node
