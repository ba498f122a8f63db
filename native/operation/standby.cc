#include "operation/standby.h"

#include <shared_mutex>
#include <utility>
#include <vector>

#include "base/failure.h"
#include "base/process_global.h"
#include "base/thread_pool.h"
#include "rollback/guard.h"
#include "workers/activity.h"

namespace criu_node {

namespace {

// All that there are in this process.
//
// Owner: the process. Thread: any.
struct Registry {
  std::mutex mutex;
  std::vector<std::weak_ptr<Standby>> standbys;

  void Add(const std::shared_ptr<Standby>& standby) {
    const std::lock_guard lock(mutex);
    std::erase_if(standbys, [](const auto& one) { return one.expired(); });
    standbys.push_back(standby);
  }

  std::vector<std::shared_ptr<Standby>> All() {
    const std::lock_guard lock(mutex);
    std::vector<std::shared_ptr<Standby>> all;
    for (const auto& one : standbys) {
      if (auto standby = one.lock()) all.push_back(std::move(standby));
    }
    return all;
  }
};

}  // namespace

std::shared_ptr<Standby> Standby::Make(size_t spares) {
  auto standby = std::make_shared<Standby>(Token{}, spares);
  ProcessGlobal<Registry>().Add(standby);
  return standby;
}

bool Standby::EndAll(std::chrono::steady_clock::time_point deadline) {
  const auto all = ProcessGlobal<Registry>().All();
  for (const auto& standby : all) {
    standby->workers_->Close();
    const std::lock_guard lock(standby->guard_mutex_);
    standby->LeaveGuardLocked();
  }
  bool in_time = Guard::Get().WaitUntilEnded(deadline);
  for (const auto& standby : all) in_time = standby->workers_->WaitUntilClosed(deadline) && in_time;
  return in_time;
}

Standby::Standby(Token /*token*/, size_t spares) : spares_(spares) {}

Standby::~Standby() {
  workers_->Close();
  if (uses_guard_) Guard::Get().RemoveUser();
}

void Standby::Prepare(const WorkerSettings& settings) noexcept {
  is_open_ = true;
  const uint64_t term = workers_->term();
  // Without a thread nothing is ready, which costs the next operation some time.
  static_cast<void>(Attempt("spawn", [&] {
    ThreadPool::Get().Run("criu-prepare", [self = shared_from_this(), settings, term] {
      self->Refill(settings, term);
    });
  }));
}

void Standby::Refill(const WorkerSettings& settings, uint64_t term) noexcept {
  const std::shared_lock active(Activity());
  // What is missing is started by the operation that needs it, and reports what is wrong.
  static_cast<void>(Attempt("freeze", [&] { UseGuard(term); }));
  static_cast<void>(Attempt("spawn", [&] { workers_->Refill(settings, spares_, term); }));
}

// Also starts a guard that somebody has killed.
void Standby::UseGuard(uint64_t term) {
  const std::lock_guard lock(guard_mutex_);
  if (!is_open_ || workers_->term() != term) return;
  if (!std::exchange(uses_guard_, true)) Guard::Get().AddUser();
  Guard::Get().Start();
}

void Standby::LeaveGuardLocked() noexcept {
  if (std::exchange(uses_guard_, false)) Guard::Get().RemoveUser();
}

void Standby::Close() noexcept {
  is_open_ = false;
  workers_->Close();
  {
    const std::lock_guard lock(mutex_);
    ++closing_;
  }
  ThreadPool::Get().RunOrDo("criu-close", [self = shared_from_this()] {
    {
      const std::lock_guard lock(self->guard_mutex_);
      // It may have been opened again.
      if (!self->is_open_) self->LeaveGuardLocked();
    }
    const std::lock_guard lock(self->mutex_);
    --self->closing_;
    self->closed_.notify_all();
  });
}

bool Standby::WaitUntilClosed(std::chrono::steady_clock::time_point deadline) {
  {
    std::unique_lock lock(mutex_);
    if (!closed_.wait_until(lock, deadline, [this] { return closing_ == 0; })) return false;
  }
  return workers_->WaitUntilClosed(deadline) && Guard::Get().WaitUntilEnded(deadline);
}

}  // namespace criu_node
