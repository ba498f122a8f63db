#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "linux/child_watch.h"
#include "workers/worker.h"

namespace criu_node {

// Spare `criu swrk` processes, started ahead of their requests so that a dump starts none.
//
// Owner: one Standby, and the threads that reap its workers. Thread: any.
class WorkerPool : public ChildKeeper, public std::enable_shared_from_this<WorkerPool> {
 public:
  // Gives a spare when one fits the settings, else a new worker. Throws Failure (stage "spawn").
  std::unique_ptr<Worker> Take(const WorkerSettings& settings);

  // How often the pool has been closed.
  [[nodiscard]] uint64_t term() const;

  // Starts spares until there are `count` of them, and ends those of other settings; nothing when
  // the pool has been closed since `term`. Throws Failure (stage "spawn").
  void Refill(const WorkerSettings& settings, size_t count, uint64_t term);

  // Ends all spares without waiting for them, and any that a Refill() of this term still starts.
  void Close() noexcept;
  // Waits for what Close() ends, and for the workers in retirement. Whether all of them were over
  // in time.
  bool WaitUntilClosed(std::chrono::steady_clock::time_point deadline);

  // A spare that somebody has killed is reaped at once; the next Refill() starts another.
  void ReapEnded() noexcept override;

  // A worker that has answered and is about to end by itself: it is reaped at the end of the scope.
  // It counts from the beginning of the scope on, so that whoever is told in between can wait for
  // it by WaitUntilClosed().
  //
  // Owner and thread: those of the operation.
  class Retirement {
   public:
    Retirement(std::shared_ptr<WorkerPool> pool, std::unique_ptr<Worker> worker);
    ~Retirement();
    Retirement(const Retirement&) = delete;
    Retirement& operator=(const Retirement&) = delete;
    Retirement(Retirement&&) = delete;
    Retirement& operator=(Retirement&&) = delete;

    // Hangs up on the worker and waits for its end, but not beyond a moment. It is not reaped yet.
    void WaitForEnd(std::chrono::steady_clock::time_point until) noexcept;

   private:
    std::shared_ptr<WorkerPool> pool_;
    std::unique_ptr<Worker> worker_;
  };

 private:
  struct Spare {
    std::string kind;  // what it must match: see Kind() in worker_pool.cc
    std::unique_ptr<Worker> worker;
    ChildWatch::Entry watched;  // goes before its worker does
  };
  // Spares that are on their way out, which ending_ counts. It is made before they are, as it takes
  // memory.
  using Ending = std::shared_ptr<std::vector<Spare>>;

  bool Add(Spare spare, uint64_t term, const Ending& late);
  void End(std::vector<Spare> spares) noexcept;
  void End(const Ending& spares) noexcept;
  void CountEnded(size_t count) noexcept;

  mutable std::mutex mutex_;
  std::vector<Spare> spares_;
  uint64_t term_ = 0;
  size_t starting_ = 0;  // spares of this term that a Refill() is starting
  size_t ending_ = 0;    // workers in retirement, spares that were ended or are to be when started
  std::condition_variable ended_;
};

}  // namespace criu_node
