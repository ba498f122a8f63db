#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "workers/worker.h"

namespace criu_node {

// Spare `criu swrk` processes, started ahead of their requests so that a dump starts none.
//
// Owner: process-wide. Thread: any.
class WorkerPool {
 public:
  static WorkerPool& Get();

  // A spare when one fits the settings, else a new worker. Throws Failure (stage "spawn").
  std::unique_ptr<Worker> Take(const WorkerSettings& settings);

  // Starts spares until there are `count` of them, and ends what is not of these settings.
  void Refill(const WorkerSettings& settings, size_t count);

  // Ends all spares, and waits for them and for the workers in retirement.
  void Close();

  // A worker that has answered and is about to end by itself: waited for at the end of the scope.
  // Counted from its beginning on, so that whoever is told in between can wait for it by Close().
  class Retirement {
   public:
    explicit Retirement(std::unique_ptr<Worker> worker);
    ~Retirement();
    Retirement(const Retirement&) = delete;
    Retirement& operator=(const Retirement&) = delete;
    Retirement(Retirement&&) = delete;
    Retirement& operator=(Retirement&&) = delete;

   private:
    std::unique_ptr<Worker> worker_;
  };

 private:
  struct Spare {
    std::string kind;  // what it must match: see Kind() in worker_pool.cc
    std::unique_ptr<Worker> worker;
  };

  std::mutex mutex_;
  std::vector<Spare> spares_;
  size_t starting_ = 0;  // by calls of Refill that run now
  size_t retiring_ = 0;
  std::condition_variable retired_;
};

}  // namespace criu_node
