#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/unique_fd.h"
#include "linux/child.h"
#include "linux/child_watch.h"
#include "rollback/network_lock.h"

namespace criu_node {

// A small process that outlives us, should we end in the middle of an operation. It is told of each
// cgroup before it is frozen and after it is thawed, and of each criu that dumps or serves lazy
// pages. When its socket closes it thaws what is frozen and has the criu that dump fail, so that
// the tasks go on at once. It ends those that serve: they would wait for a client for ever, with
// the tasks stopped and their network locked. It stays as long as it has users or something to
// watch.
//
// One that is killed, stopped, or does not read what it is told is replaced when it is needed, and
// nobody waits for it.
//
// Owner: process-wide. Thread: any but JavaScript's, as it may take a while to start.
class Guard : public ChildKeeper {
 public:
  static Guard& Get();

  // A user wants the process to be there before it is needed.
  void AddUser();
  void RemoveUser() noexcept;  // does not wait for the end of the process
  // Starts the process unless it runs, or has no users. Throws Failure (stage "freeze").
  void Start();

  // Of the process; -1 while there is none.
  pid_t pid();

  // While this is there, the process will thaw a cgroup when we are gone.
  //
  // Owner and thread: those of whoever freezes the cgroup.
  class Watch {
   public:
    // `control` is the open file by which the cgroup is thawed: the process gets a copy of it, so
    // that it acts on what was checked, whatever has the path by then. `criu` is the process that
    // may put the cgroup back to frozen before it ends. Throws Failure (stage "freeze") when there
    // is no guard to be had: then nothing must be frozen.
    Watch(const UniqueFd& control, int version, pid_t criu);
    ~Watch() { Get().Forget(id_); }
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    Watch(Watch&&) = delete;
    Watch& operator=(Watch&&) = delete;

   private:
    uint64_t id_;
  };

  // The same for a criu that dumps, and then serves lazy pages; without a guard it is not watched.
  void WatchDumping(pid_t criu, const NetworkLock& lock) noexcept;
  void WatchServing(pid_t criu, const NetworkLock& lock) noexcept;
  void Forget(pid_t criu) noexcept;

  // Waits for processes that were ended. Whether they were over in time.
  bool WaitUntilEnded(std::chrono::steady_clock::time_point deadline);

  void ReapEnded() noexcept override;

  Guard() = default;
  Guard(const Guard&) = delete;
  Guard& operator=(const Guard&) = delete;
  Guard(Guard&&) = delete;
  Guard& operator=(Guard&&) = delete;
  ~Guard() override = default;

 private:
  // A message, and the descriptor that goes with it, if any.
  struct Message {
    std::string text;
    UniqueFd passed;
  };

  uint64_t WatchCgroup(const UniqueFd& control, int version, pid_t criu);
  void Forget(uint64_t id) noexcept;
  void WatchCriu(char kind, pid_t criu, const NetworkLock& lock) noexcept;

  [[nodiscard]] bool AnswersLocked() const;
  [[nodiscard]] bool IsNeededLocked() const;
  bool TellLocked(const Message& message);
  void TellOfEndLocked(char kind, uint64_t number) noexcept;
  bool StartLocked();
  void EndLocked() noexcept;
  void EndUnlessNeededLocked() noexcept;

  // For the watch of children, which it outlives.
  const std::shared_ptr<ChildKeeper> self_{this, [](ChildKeeper* /*keeper*/) {}};

  std::mutex mutex_;
  std::shared_ptr<Child> process_;  // none, or one that has not been reaped
  ChildWatch::Entry end_of_process_;
  std::chrono::steady_clock::time_point started_;
  UniqueFd socket_;
  size_t users_ = 0;
  uint64_t last_id_ = 0;
  std::map<uint64_t, Message> watched_;  // what a new process must be told again
  std::map<pid_t, Message> criu_;        // likewise

  std::mutex ending_mutex_;
  std::condition_variable ended_;
  size_t ending_ = 0;  // processes that have lost their socket and are not reaped yet
};

}  // namespace criu_node
