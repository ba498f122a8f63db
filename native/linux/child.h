#pragma once

#include <sys/types.h>

#include <chrono>

#include "base/unique_fd.h"
#include "linux/spawn.h"

namespace criu_node {

// How a process ended: one of the two is set.
struct ExitStatus {
  int code = 0;
  int signal = 0;
};

// Waits for a child of this process to end, and reaps it.
ExitStatus WaitFor(pid_t pid);

// A process that is our child: a criu, or the guard. It is reaped exactly once.
//
// Whoever drops it waits for no longer than a few seconds: what does not end by itself is killed,
// and what does not end by that either, as the kernel holds it up (state D), is reaped by a thread
// that waits for nothing else.
//
// Owner and thread: those of its owner.
class Child {
 public:
  Child() = default;
  // Throws Failure.
  explicit Child(const SpawnSettings& settings);
  ~Child() { End(); }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;

  // -1 without a process, and after it has been reaped.
  [[nodiscard]] pid_t pid() const { return pid_; }
  // Readable once it has ended, which nothing else says for sure: what it has started may outlive
  // it, with all its sockets and pipes. It is -1 on kernels that cannot tell.
  [[nodiscard]] int ended() const { return ended_.get(); }

  // With what it has started and is still in its process group: nobody would end that.
  void Kill() const;
  // Kills what is left of what it has started, if that is still in its process group.
  void KillGroup() const;

  // Whether a signal has stopped it: SIGSTOP, or those of a terminal.
  [[nodiscard]] bool IsStopped() const;
  // Lets it go on when it is stopped.
  void Continue() const;

  // Waits for its end, but not beyond a moment. True when it has ended, or has been reaped.
  [[nodiscard]] bool HasEnded(std::chrono::steady_clock::time_point until) const;

  // Waits for its end. When a signal has ended it, what it had started ends with it: to see what
  // the kernel can do, criu starts processes that sleep until it kills them.
  ExitStatus Reap();

  // Gives up waiting for one that has been killed: it is reaped elsewhere, whenever it ends.
  void Leave() noexcept;

 private:
  void End() noexcept;

  pid_t pid_ = -1;
  UniqueFd ended_;
  bool leads_group_ = false;
  ExitStatus status_;
};

}  // namespace criu_node
