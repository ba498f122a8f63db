#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
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

  // While this is there, its keeper is called when the child ends. It goes before the child is
  // waited for, or taken from its keeper.
  //
  // Owner and thread: those of the child.
  class Entry {
   public:
    Entry() = default;
    // `ended` becomes readable at the end of the child: Child::ended(), where the kernel has it.
    // Without a thread, or memory, the child is reaped when it is needed.
    Entry(int ended, std::weak_ptr<ChildKeeper> keeper) noexcept;
    ~Entry() { Reset(); }
    Entry(Entry&& other) noexcept;
    Entry& operator=(Entry&& other) noexcept;
    Entry(const Entry&) = delete;
    Entry& operator=(const Entry&) = delete;

    void Reset() noexcept;

   private:
    int ended_ = -1;  // the child's; -1 when it is not watched
  };

  // Waits until no child is left, and nothing of the watch. Whether that was over in time.
  bool WaitUntilOver(std::chrono::steady_clock::time_point deadline);

  ChildWatch() = default;
  ~ChildWatch() = default;
  ChildWatch(const ChildWatch&) = delete;
  ChildWatch& operator=(const ChildWatch&) = delete;
  ChildWatch(ChildWatch&&) = delete;
  ChildWatch& operator=(ChildWatch&&) = delete;

 private:
  void Add(int ended, std::weak_ptr<ChildKeeper> keeper);
  void Remove(int ended) noexcept;
  void StartLocked();
  void Run() noexcept;
  bool IsOver() noexcept;
  std::vector<std::shared_ptr<ChildKeeper>> Keepers();

  std::mutex mutex_;
  std::condition_variable over_;
  std::vector<std::weak_ptr<ChildKeeper>> keepers_;
  size_t count_ = 0;  // children that are watched
  // Both are there while the thread runs.
  UniqueFd ends_;     // an epoll of them
  UniqueFd is_idle_;  // an eventfd: there are no more
};

}  // namespace criu_node
