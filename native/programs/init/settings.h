#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>

namespace criu_node::init {

// What is said on the command line: words of the form `name=value`, then `--` and the command line
// of criu, as native/workers/clone.cc writes it.
struct Settings {
  pid_t root = -1;               // the pid that the first of the restored processes has here
  const char* before = nullptr;  // the pid that comes before criu's
  int descriptors = 0;           // from kFirst on, of which criu inherits the first ones
  int inherited = 0;
  const char* hostname = nullptr;  // null for that of who has started us
  // The network namespace to be in: one of these, or an open file that stands for it.
  static constexpr int kSameNetwork = -1;
  static constexpr int kNewNetwork = 0;
  int network = kSameNetwork;
  bool ends_with_parent = false;
  // Open files `cgroup.procs` of the cgroups to be in.
  static constexpr size_t kMostCgroups = 8;
  std::array<int, kMostCgroups> cgroups{};
  size_t cgroup_count = 0;
  char** criu = nullptr;  // ends in a null pointer

  // The socket to who has started us, in whose place criu has its own; and what follows it.
  static constexpr int kSocket = 3;
  static constexpr int kFirst = 4;
  [[nodiscard]] int End() const { return kFirst + descriptors; }
};

// False where the command line says something else.
bool Parse(int argc, char** argv, Settings* settings);

}  // namespace criu_node::init
