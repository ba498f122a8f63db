#include "workers/worker_pool.h"

#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include "base/failure.h"
#include "base/thread_pool.h"
#include "linux/mount_namespace.h"

namespace criu_node {

namespace {

// What tells spares apart: another program (an upgrade included), environment or mount namespace. A
// criu in another mount namespace than its target would dump that namespace's mounts.
std::string Kind(const WorkerSettings& settings) {
  std::string kind = settings.binary;
  struct stat file {};
  if (stat(settings.binary.c_str(), &file) == 0) {
    for (const auto part :
         {static_cast<int64_t>(file.st_ino), static_cast<int64_t>(file.st_size),
          static_cast<int64_t>(file.st_mtim.tv_sec), static_cast<int64_t>(file.st_mtim.tv_nsec)}) {
      kind += '\n' + std::to_string(part);
    }
  }
  kind += '\n' + MountNamespace("self");
  for (const auto& variable : settings.environment) kind += '\n' + variable;
  return kind;
}

// An idle criu says nothing; it can only have gone away, or have been stopped.
bool IsUsable(const Worker& worker) {
  pollfd fd{worker.socket().get(), POLLIN, 0};
  return poll(&fd, 1, 0) == 0 && !worker.IsStopped();
}

}  // namespace

std::unique_ptr<Worker> WorkerPool::Take(const WorkerSettings& settings) {
  if (!settings.service.empty()) return std::make_unique<Worker>(settings);
  const std::string kind = Kind(settings);
  std::vector<Spare> dead;  // reaped outside the lock
  {
    const std::lock_guard lock(mutex_);
    while (!spares_.empty()) {
      const auto fitting = std::ranges::find(spares_, kind, &Spare::kind);
      if (fitting == spares_.end()) break;
      Spare spare = std::move(*fitting);
      spares_.erase(fitting);
      if (IsUsable(*spare.worker)) return std::move(spare.worker);
      spare.worker->Kill();
      dead.push_back(std::move(spare));
    }
  }
  return std::make_unique<Worker>(settings);
}

uint64_t WorkerPool::term() const {
  const std::lock_guard lock(mutex_);
  return term_;
}

void WorkerPool::Refill(const WorkerSettings& settings, size_t count, uint64_t term) {
  if (!settings.service.empty()) return;
  const std::string kind = Kind(settings);
  const auto surplus = std::make_shared<std::vector<Spare>>();
  {
    const std::lock_guard lock(mutex_);
    if (term != term_) return;
    surplus->reserve(spares_.size());
    const auto others = std::partition(spares_.begin(), spares_.end(), [&](const Spare& spare) {
      return spare.kind == kind && IsUsable(*spare.worker);
    });
    std::move(others, spares_.end(), std::back_inserter(*surplus));
    spares_.erase(others, spares_.end());
    while (spares_.size() > count) {
      surplus->push_back(std::move(spares_.back()));
      spares_.pop_back();
    }
    ending_ += surplus->size();
  }
  End(surplus);
  for (;;) {
    const auto late = std::make_shared<std::vector<Spare>>();
    late->reserve(1);
    {
      const std::lock_guard lock(mutex_);
      if (term != term_ || spares_.size() + starting_ >= count) return;
      ++starting_;
    }
    // The spare is started outside of the lock, so that nobody who takes one waits for it.
    Spare spare;
    std::exception_ptr failure;
    try {
      spare.kind = kind;
      spare.worker = std::make_unique<Worker>(settings);
    } catch (...) {
      failure = std::current_exception();
    }
    if (!Add(std::move(spare), term, late)) return;
    if (failure) std::rethrow_exception(failure);
  }
}

// What a Refill() has started: a spare of its term, which has a worker if that could be started.
// False when the pool was closed meanwhile; then the spare ends.
bool WorkerPool::Add(Spare spare, uint64_t term, const Ending& late) {
  {
    const std::lock_guard lock(mutex_);
    if (term == term_) {
      --starting_;
      if (spare.worker) {
        Spare& added = spares_.emplace_back(std::move(spare));
        added.watched = ChildWatch::Entry(added.worker->ended(), weak_from_this());
      }
      return true;
    }
    if (!spare.worker) {
      --ending_;
      ended_.notify_all();
      return false;
    }
  }
  late->push_back(std::move(spare));
  End(late);
  return false;
}

void WorkerPool::Close() noexcept {
  std::vector<Spare> all;
  {
    const std::lock_guard lock(mutex_);
    ++term_;
    all.swap(spares_);
    // Those that are being started end as soon as they are there: see Add().
    ending_ += all.size() + std::exchange(starting_, 0);
  }
  End(std::move(all));
}

void WorkerPool::End(std::vector<Spare> spares) noexcept {
  if (spares.empty()) return;
  Ending ending;
  if (Attempt("spawn", [&] { ending = std::make_shared<std::vector<Spare>>(); })) {
    const size_t count = spares.size();
    for (const Spare& spare : spares) spare.worker->Kill();
    spares.clear();
    CountEnded(count);
    return;
  }
  ending->swap(spares);
  End(ending);
}

// Kills them at once, and reaps them on another thread.
void WorkerPool::End(const Ending& spares) noexcept {
  if (spares->empty()) return;
  for (const Spare& spare : *spares) spare.worker->Kill();
  ThreadPool::Get().RunOrDo("criu-reaper", [self = shared_from_this(), spares] {
    const size_t count = spares->size();
    spares->clear();
    self->CountEnded(count);
  });
}

void WorkerPool::ReapEnded() noexcept {
  for (;;) {
    Spare dead;  // reaped outside the lock
    {
      const std::lock_guard lock(mutex_);
      const auto ended = std::ranges::find_if(
          spares_, [](const Spare& spare) { return spare.worker->HasEnded({}); });
      if (ended == spares_.end()) return;
      dead = std::move(*ended);
      spares_.erase(ended);
      ++ending_;
    }
    dead.watched.Reset();
    dead.worker.reset();
    CountEnded(1);
  }
}

void WorkerPool::CountEnded(size_t count) noexcept {
  const std::lock_guard lock(mutex_);
  ending_ -= count;
  ended_.notify_all();
}

bool WorkerPool::WaitUntilClosed(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return ended_.wait_until(lock, deadline, [this] { return ending_ == 0; });
}

WorkerPool::Retirement::Retirement(std::shared_ptr<WorkerPool> pool, std::unique_ptr<Worker> worker)
    : pool_(std::move(pool)), worker_(std::move(worker)) {
  const std::lock_guard lock(pool_->mutex_);
  ++pool_->ending_;
}

void WorkerPool::Retirement::WaitForEnd(std::chrono::steady_clock::time_point until) noexcept {
  if (!worker_) return;
  worker_->HangUp();
  static_cast<void>(worker_->HasEnded(until));
}

WorkerPool::Retirement::~Retirement() {
  worker_.reset();
  pool_->CountEnded(1);
}

}  // namespace criu_node
