#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.h"

namespace criu_node {

struct SocketPair {
  UniqueFd ours;
  UniqueFd theirs;
};

// Makes two connected sockets for sequenced packets, CLOEXEC. Throws Failure with the given stage.
SocketPair MakeSocketPair(const char* stage);

enum class Session { kNew, kOurs };

// With ours, others may read what the child makes, as far as the user has said so.
enum class Umask { kPrivate, kOurs };

// How a process of ours is started.
struct SpawnSettings {
  const char* stage;                                  // for Failure
  std::string program;                                // absolute path
  std::vector<std::string> arguments;                 // with argv[0]
  std::vector<std::string> environment = {};          // "NAME=value"
  std::vector<std::pair<int, int>> descriptors = {};  // ours, and its number in the child
  Session session = Session::kNew;                    // then the terminal's Ctrl-C does not end it
  Umask umask = Umask::kPrivate;
  bool makes_pid_namespace = false;  // of which it is the first process
};

// Starts a process by posix_spawn, whose cost does not grow with the caller's memory. The child
// gets the listed descriptors, /dev/null for the standard ones that are not listed, nothing else,
// and default signals. Throws Failure.
pid_t Spawn(const SpawnSettings& settings);

}  // namespace criu_node
