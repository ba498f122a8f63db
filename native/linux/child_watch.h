#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "base/unique_fd.h"

namespace criu_node {

// Who has children that nobody waits for at the moment: spare workers, the guard. One that is
// killed would stay a zombie until it is needed.
class ChildKeeper {
 public:
  ChildKeeper() = default;
  virtual ~ChildKeeper() = default;
  ChildKeeper(const ChildKeeper&) = delete;
  ChildKeeper& operator=(const ChildKeeper&) = delete;
  ChildKeeper(ChildKeeper&&) = delete;
  ChildKeeper& operator=(ChildKeeper&&) = delete;

  // Adds a copy of what becomes readable at the end of each child: Child::ended(), where the kernel
  // has it. A child may be reaped by somebody else, and its descriptor be another file then.
  virtual void AppendEnds(std::vector<UniqueFd>* ends) = 0;
  // Reaps those that have ended.
  virtual void ReapEnded() noexcept = 0;
};

// Has the children of keepers reaped when they end. It sleeps on one of the pool's threads until
// one does, and gives the thread back when there is none left to be watched.
//
// Owner: the process. Thread: any.
class ChildWatch {
 public:
  static ChildWatch& Get();

  // A keeper has a new child. Without a thread, or memory, it is reaped when it is needed.
  void Add(std::weak_ptr<ChildKeeper> keeper) noexcept;

  // Waits until no child is left, and nothing of the watch. Whether that was over in time.
  bool WaitUntilOver(std::chrono::steady_clock::time_point deadline);

  ChildWatch() = default;
  ~ChildWatch() = default;
  ChildWatch(const ChildWatch&) = delete;
  ChildWatch& operator=(const ChildWatch&) = delete;
  ChildWatch(ChildWatch&&) = delete;
  ChildWatch& operator=(ChildWatch&&) = delete;

 private:
  void Run();
  bool Look();
  void EndLocked() noexcept;
  std::vector<std::shared_ptr<ChildKeeper>> Keepers();

  std::mutex mutex_;
  std::condition_variable over_;
  std::vector<std::weak_ptr<ChildKeeper>> keepers_;
  UniqueFd changed_;  // an eventfd, while it runs
  bool has_changed_ = false;
};

}  // namespace criu_node
