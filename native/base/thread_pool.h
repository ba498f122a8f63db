#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <future>
#include <mutex>

#include "base/failure.h"

namespace criu_node {

// Threads that stay for the next operation: to start one takes longer than to hand it work. None of
// them is libuv's.
//
// Owner: the process. Thread: any.
class ThreadPool {
 public:
  static ThreadPool& Get();

  // Runs it on a thread of its own. `name` is a literal. Throws Failure (stage "spawn"). What
  // leaves the work ends there: whoever has to hear of a failure is told of it by the work.
  void Run(const char* name, std::function<void()> work);
  // The same for work that has to be done, and does not throw: when there is no thread or no memory
  // to be had, it is done here.
  template <typename Work>
  void RunOrDo(const char* name, Work work) noexcept {
    if (Attempt("spawn", [&] { Run(name, work); })) work();
  }
  // The same as Run(), for whoever waits for the end of the work.
  std::future<void> RunAndTell(const char* name, std::function<void()> work);

 private:
  // What a thread that waits has to do next.
  struct Seat {
    const char* name = nullptr;
    std::function<void()> work;  // none while it waits
    std::condition_variable given;
  };
  void Serve(std::function<void()> work);

  // How many threads wait for work: those of two operations, and of what is done beside them.
  static constexpr size_t kMostWaiting = 4;

  std::mutex mutex_;
  std::array<Seat*, kMostWaiting> waiting_{};
  size_t waiting_count_ = 0;
};

}  // namespace criu_node
