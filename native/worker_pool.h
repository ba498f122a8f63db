#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "worker.h"

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

  // Ends all spares and waits for them.
  void Close();

 private:
  struct Spare {
    std::string kind;  // what it must match: see Kind() in worker_pool.cc
    std::unique_ptr<Worker> worker;
  };

  std::mutex mutex_;
  std::vector<Spare> spares_;
  size_t starting_ = 0;  // by calls of Refill that run now
};

}  // namespace criu_node
