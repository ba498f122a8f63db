#pragma once

#include <map>
#include <utility>

#include "base/unique_fd.h"

namespace criu_node {

// Descriptors that JavaScript has until it is done with them, or the environment ends.
//
// Owner: the environment's Addon. Thread: JavaScript's.
class Loans {
 public:
  // Room for one more, so that to lend it takes no memory.
  using Room = std::map<int, UniqueFd>::node_type;

  static Room MakeRoom() {
    std::map<int, UniqueFd> map;
    map.emplace(-1, UniqueFd());
    return map.extract(map.begin());
  }

  // Gives the number of the descriptor.
  int Lend(Room room, UniqueFd descriptor) {
    const int fd = descriptor.get();
    room.key() = fd;
    room.mapped() = std::move(descriptor);
    lent_.insert(std::move(room));
    return fd;
  }

  void TakeBack(int fd) { lent_.erase(fd); }

  // From now on somebody else closes it.
  void Release(int fd) {
    Room room = lent_.extract(fd);
    if (room) static_cast<void>(room.mapped().Release());
  }

 private:
  std::map<int, UniqueFd> lent_;
};

}  // namespace criu_node
