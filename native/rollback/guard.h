#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>

#include "base/unique_fd.h"
#include "linux/child.h"
#include "rollback/network_lock.h"

namespace criu_node {

// A small process that outlives us, should we end in the middle of an operation. It is told of each
// cgroup before it is frozen and after it is thawed, and of each criu that dumps or serves lazy
// pages. When its socket closes it thaws what is frozen and has the criu that dump fail, so that
// the tasks go on at once. It ends those that serve: they would wait for a client for ever, with
// the tasks stopped and their network locked. It stays as long as it has users or something to
// watch.
//
// One that is killed, stopped, or does not read what it is told is replaced, and nobody waits for
// it.
//
// Owner: process-wide. Thread: any but JavaScript's, as it may take a while to start.
class Guard {
 public:
  static Guard& Get();

  // A user wants the process to be there before it is needed.
  void AddUser();
  void RemoveUser();  // does not wait for the end of the process
  // Starts the process unless it runs, or has no users. Throws Failure (stage "freeze").
  void Start();

  // Of the process; -1 while there is none.
  pid_t pid();

  // `criu` is the process that may put the cgroup back to frozen before it ends. Throws Failure
  // (stage "freeze") when there is no guard to be had: then nothing must be frozen.
  void Watch(const std::string& cgroup, int version, pid_t criu);
  void Forget(const std::string& cgroup) noexcept;

  // The same for a criu that dumps, and then serves lazy pages; without a guard it is not watched.
  void WatchDumping(pid_t criu, const NetworkLock& lock) noexcept;
  void WatchServing(pid_t criu, const NetworkLock& lock) noexcept;
  void Forget(pid_t criu) noexcept;

  // Waits for processes that were ended. Whether they were over in time.
  bool WaitUntilEnded(std::chrono::steady_clock::time_point deadline);

  Guard() = default;
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  Guard(Guard&&) = delete;
  Guard& operator=(Guard&&) = delete;
  ~Guard() = default;

 private:
  [[nodiscard]] bool AnswersLocked() const;
  bool TellLocked(const std::string& message);
  void TellOfEndLocked(const std::string& message) noexcept;
  void WatchCriu(pid_t criu, const std::string& message) noexcept;
  void StartLocked();
  void EndLocked();
  void EndUnlessNeededLocked();

  std::mutex mutex_;
  Child process_;
  UniqueFd socket_;
  size_t users_ = 0;
  std::map<std::string, std::string> watched_;  // what a new process must be told again
  std::map<pid_t, std::string> criu_;           // likewise

  std::mutex ending_mutex_;
  std::condition_variable ended_;
  size_t ending_ = 0;  // processes that have lost their socket and are not reaped yet
};

}  // namespace criu_node
