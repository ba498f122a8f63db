#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>

#include "workers/worker.h"
#include "workers/worker_pool.h"

namespace criu_node {

// What one owner keeps ready for its operations: spare workers of its own, and the guard, which all
// owners share. The owner is a Criu of JavaScript.
//
// Owner: shared by JavaScript's handle, the operations, and our threads. Thread: any.
class Standby : public std::enable_shared_from_this<Standby> {
 public:
  // For `spares` workers. Nothing is started yet.
  static std::shared_ptr<Standby> Make(size_t spares);

  // Ends what all owners of this process have ready, for a dump of the process itself; it comes
  // back with their next operations. Whether that was over in time.
  // Throws std::bad_alloc.
  static bool EndAll(std::chrono::steady_clock::time_point deadline);

  class Token {  // only Make() has one
    Token() = default;
    friend Standby;
  };
  Standby(Token token, size_t spares);
  ~Standby();
  Standby(const Standby&) = delete;
  Standby& operator=(const Standby&) = delete;
  Standby(Standby&&) = delete;
  Standby& operator=(Standby&&) = delete;

  // Starts the spares and the guard in the background. What fails is reported by the operation that
  // needs it, which starts its own.
  void Prepare(const WorkerSettings& settings) noexcept;

  [[nodiscard]] const std::shared_ptr<WorkerPool>& workers() const { return workers_; }

  // Starts what has been used up, on the calling thread; nothing when all has been closed since
  // `term` (see WorkerPool::term()).
  void Refill(const WorkerSettings& settings, uint64_t term) noexcept;

  // Ends the spares without waiting for them, and the guard unless somebody else needs it. What is
  // under way goes on; Prepare() opens it again.
  void Close() noexcept;
  // Waits for what Close() has ended, and for workers whose operations are over. Whether all of it
  // was over in time.
  bool WaitUntilClosed(std::chrono::steady_clock::time_point deadline);

 private:
  void UseGuard(uint64_t term);
  void LeaveGuardLocked() noexcept;

  const size_t spares_;
  const std::shared_ptr<WorkerPool> workers_ = std::make_shared<WorkerPool>();
  std::atomic<bool> is_open_ = false;

  // Never locked on a JavaScript thread: to start the guard takes a while.
  std::mutex guard_mutex_;
  bool uses_guard_ = false;

  std::mutex mutex_;
  std::condition_variable closed_;
  size_t closing_ = 0;  // calls of Close() whose threads are not through
};

}  // namespace criu_node
