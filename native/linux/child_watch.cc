#include "linux/child_watch.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "base/failure.h"
#include "base/process_global.h"
#include "base/thread_pool.h"

namespace criu_node {

namespace {

// Has an epoll report that a descriptor is readable. Which one it is does not matter: whoever has
// ended is looked for. Throws Failure.
void Report(const UniqueFd& epoll, int fd, uint32_t how = 0) {
  epoll_event event{.events = EPOLLIN | how, .data = {}};
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    throw Failure::System("spawn", "cannot watch a process");
  }
}

}  // namespace

ChildWatch& ChildWatch::Get() { return ProcessGlobal<ChildWatch>(); }

ChildWatch::Entry::Entry(int ended, std::weak_ptr<ChildKeeper> keeper) noexcept {
  if (ended < 0) return;
  if (!Attempt("spawn", [&] { Get().Add(ended, std::move(keeper)); })) ended_ = ended;
}

ChildWatch::Entry::Entry(Entry&& other) noexcept : ended_(std::exchange(other.ended_, -1)) {}

ChildWatch::Entry& ChildWatch::Entry::operator=(Entry&& other) noexcept {
  std::swap(ended_, other.ended_);
  return *this;
}

void ChildWatch::Entry::Reset() noexcept {
  if (ended_ >= 0) Get().Remove(std::exchange(ended_, -1));
}

void ChildWatch::Add(int ended, std::weak_ptr<ChildKeeper> keeper) {
  const std::lock_guard lock(mutex_);
  std::erase_if(keepers_, [](const auto& one) { return one.expired(); });
  const auto is_same = [&](const auto& one) {
    return !one.owner_before(keeper) && !keeper.owner_before(one);
  };
  if (std::ranges::none_of(keepers_, is_same)) keepers_.push_back(std::move(keeper));
  if (!ends_.valid()) StartLocked();
  // It is told once: it may be reaped by somebody else.
  try {
    Report(ends_, ended, EPOLLONESHOT);
  } catch (...) {
    if (count_ == 0) eventfd_write(is_idle_.get(), 1);
    throw;
  }
  ++count_;
}

void ChildWatch::StartLocked() {
  UniqueFd ends(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd is_idle(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ends.valid() || !is_idle.valid()) throw Failure::System("spawn", "cannot watch processes");
  Report(ends, is_idle.get());
  ThreadPool::Get().Run("criu-watch", [this] { Run(); });
  ends_ = std::move(ends);
  is_idle_ = std::move(is_idle);
}

void ChildWatch::Remove(int ended) noexcept {
  const std::lock_guard lock(mutex_);
  epoll_ctl(ends_.get(), EPOLL_CTL_DEL, ended, nullptr);
  if (--count_ == 0) eventfd_write(is_idle_.get(), 1);
}

void ChildWatch::Run() noexcept {
  for (;;) {
    const int ends = [this] {
      const std::lock_guard lock(mutex_);
      return ends_.get();  // Nobody but this thread closes it.
    }();
    epoll_event event{};
    epoll_wait(ends, &event, 1, -1);
    if (IsOver()) return;
    // Without memory to look they are reaped when they are needed.
    static_cast<void>(Attempt("spawn", [this] {
      for (const auto& keeper : Keepers()) keeper->ReapEnded();
    }));
  }
}

// Whether there is nothing left to wait for. Then the thread is about to end.
bool ChildWatch::IsOver() noexcept {
  const std::lock_guard lock(mutex_);
  eventfd_t ignored = 0;
  eventfd_read(is_idle_.get(), &ignored);
  if (count_ > 0) return false;
  ends_.Reset();
  is_idle_.Reset();
  over_.notify_all();
  return true;
}

bool ChildWatch::WaitUntilOver(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return over_.wait_until(lock, deadline, [this] { return !ends_.valid(); });
}

std::vector<std::shared_ptr<ChildKeeper>> ChildWatch::Keepers() {
  std::vector<std::shared_ptr<ChildKeeper>> keepers;
  const std::lock_guard lock(mutex_);
  keepers.reserve(keepers_.size());
  for (const auto& one : keepers_) {
    if (auto keeper = one.lock()) keepers.push_back(std::move(keeper));
  }
  return keepers;
}

}  // namespace criu_node
