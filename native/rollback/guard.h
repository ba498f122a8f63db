#pragma once

#include <sys/types.h>

#include <map>
#include <mutex>
#include <string>

#include "base/unique_fd.h"
#include "rollback/network_lock.h"

namespace criu_node {

// A small process that outlives us, should we end in the middle of an operation. It is told of each
// cgroup before it is frozen and after it is thawed, and of each criu that dumps or serves lazy
// pages. When its socket closes it thaws what is frozen and has the criu that dump fail, so that
// the tasks go on at once. It ends those that serve: they would wait for a client for ever, with
// the tasks stopped and their network locked.
//
// Owner: process-wide. Thread: any.
class Guard {
 public:
  static Guard& Get();

  // Starts the process unless it runs. Best done before it is needed.
  void Start();

  // `criu` is the process that may put the cgroup back to frozen before it ends. Throws Failure
  // (stage "freeze") when there is no guard to be had: then nothing must be frozen.
  void Watch(const std::string& cgroup, int version, pid_t criu);
  void Forget(const std::string& cgroup) noexcept;

  // The same for a criu that dumps, and then serves lazy pages; without a guard it is not watched.
  void WatchDumping(pid_t criu) noexcept;
  void WatchServing(pid_t criu, const NetworkLock& lock) noexcept;
  void Forget(pid_t criu) noexcept;

  // Ends the process, unless it has something to watch.
  void Close();

  Guard() = default;
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  Guard(Guard&&) = delete;
  Guard& operator=(Guard&&) = delete;
  ~Guard() = default;

 private:
  void WatchCriu(pid_t criu, const std::string& message) noexcept;
  void StartLocked();
  void CloseLocked();

  std::mutex mutex_;
  pid_t pid_ = -1;
  UniqueFd socket_;
  std::map<std::string, std::string> watched_;  // what a new process must be told again
  std::map<pid_t, std::string> criu_;           // likewise
};

}  // namespace criu_node
