#include "workers/worker_pool.h"

#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/process_global.h"
#include "linux/mount_namespace.h"

namespace criu_node {

namespace {

// Tells spares apart: another program (an upgrade included), environment or mount namespace. A criu
// in another mount namespace than its target would dump that namespace's mounts.
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

// An idle criu says nothing; it can only have gone away.
bool IsAlive(const Worker& worker) {
  pollfd fd{worker.socket().get(), POLLIN, 0};
  return poll(&fd, 1, 0) == 0;
}

}  // namespace

WorkerPool& WorkerPool::Get() { return ProcessGlobal<WorkerPool>(); }

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
      if (IsAlive(*spare.worker)) return std::move(spare.worker);
      dead.push_back(std::move(spare));
    }
  }
  return std::make_unique<Worker>(settings);
}

void WorkerPool::Refill(const WorkerSettings& settings, size_t count) {
  if (!settings.service.empty()) return;
  const std::string kind = Kind(settings);
  std::vector<Spare> surplus;
  {
    const std::lock_guard lock(mutex_);
    const auto others = std::partition(spares_.begin(), spares_.end(), [&](const Spare& spare) {
      return spare.kind == kind && IsAlive(*spare.worker);
    });
    std::move(others, spares_.end(), std::back_inserter(surplus));
    spares_.erase(others, spares_.end());
    while (spares_.size() > count) {
      surplus.push_back(std::move(spares_.back()));
      spares_.pop_back();
    }
  }
  for (const Spare& spare : surplus) spare.worker->Kill();
  // Outside the lock, so that nobody who takes one waits for another to start.
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (spares_.size() + starting_ >= count) return;
      ++starting_;
    }
    std::unique_ptr<Worker> worker;
    try {
      worker = std::make_unique<Worker>(settings);
    } catch (...) {
      const std::lock_guard lock(mutex_);
      --starting_;
      throw;
    }
    const std::lock_guard lock(mutex_);
    --starting_;
    spares_.push_back({kind, std::move(worker)});
  }
}

void WorkerPool::Close() {
  std::vector<Spare> all;
  {
    const std::lock_guard lock(mutex_);
    all.swap(spares_);
  }
  for (const Spare& spare : all) spare.worker->Kill();
  std::unique_lock lock(mutex_);
  retired_.wait(lock, [this] { return retiring_ == 0; });
}

WorkerPool::Retirement::Retirement(std::unique_ptr<Worker> worker) : worker_(std::move(worker)) {
  WorkerPool& pool = Get();
  const std::lock_guard lock(pool.mutex_);
  ++pool.retiring_;
}

WorkerPool::Retirement::~Retirement() {
  worker_.reset();
  WorkerPool& pool = Get();
  const std::lock_guard lock(pool.mutex_);
  --pool.retiring_;
  pool.retired_.notify_all();
}

}  // namespace criu_node
