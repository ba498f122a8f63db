#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "linux/child.h"
#include "linux/spawn.h"

namespace criu_node {

// What a restore needs whose processes get a pid namespace of their own.
struct CloneSettings {
  pid_t root = -1;        // the pid that the first of the processes has in there
  pid_t pid_before = -1;  // the pid before the one that criu gets in there
  std::vector<int> held;  // what criu opens as /proc/1/fd/N, and `network`
  std::string hostname;   // empty for ours
  bool has_new_network = false;
  int network = -1;  // a file that stands for the network namespace to be in
  bool ends_with_parent = false;
  std::vector<int> cgroups;  // files `cgroup.procs` of the cgroups to be in, among `held`
  std::vector<std::string> environment;  // of criu, in place of that of its WorkerSettings
};

// A pid namespace that we have made: its first process, which is a program of ours
// (native/programs/init/main.cc) and our child, and the socket to it. When that process ends, so do
// all others in there.
//
// Owner: a Worker while criu restores, then an Operation. Thread: that of its owner.
class Clone {
 public:
  // Throws Failure. `criu` is its command line; it inherits `inherited` from the number
  // `first_inherited` on, and what it prints goes to `output`.
  Clone(const CloneSettings& settings, const std::vector<std::string>& criu,
        const std::vector<int>& inherited, const UniqueFd& output);

  // Waits for criu to be started, and gives the socket to it. Throws Failure.
  [[nodiscard]] UniqueFd AwaitCriu() const;

  [[nodiscard]] const Child& init() const { return init_; }
  [[nodiscard]] Child& init() { return init_; }

  // Waits, without a limit, for the end of the first of the restored processes; and for that of the
  // namespace, as long as it usually takes. Gives how the former has ended, or the first process of
  // the namespace where somebody has killed that.
  ExitStatus WaitForEnd() noexcept;

 private:
  Child init_;
  UniqueFd socket_;
};

}  // namespace criu_node
