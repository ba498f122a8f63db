#pragma once

#include <condition_variable>
#include <functional>
#include <future>
#include <mutex>
#include <vector>

namespace criu_node {

// Threads that stay for the next operation: to start one takes longer than to hand it work. None of
// them is libuv's.
//
// Owner: the process. Thread: any.
class ThreadPool {
 public:
  static ThreadPool& Get();

  // Runs it on a thread of its own. `name` is a literal. Throws Failure (stage "spawn").
  void Run(const char* name, std::function<void()> work);
  // The same for work that has to be done: when there is no thread to be had, it is done here.
  void RunOrDo(const char* name, const std::function<void()>& work);
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

  std::mutex mutex_;
  std::vector<Seat*> waiting_;
};

}  // namespace criu_node
