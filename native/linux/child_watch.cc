#include "linux/child_watch.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "base/failure.h"
#include "base/process_global.h"
#include "base/thread_pool.h"

namespace criu_node {

ChildWatch& ChildWatch::Get() { return ProcessGlobal<ChildWatch>(); }

void ChildWatch::Add(std::weak_ptr<ChildKeeper> keeper) noexcept {
  static_cast<void>(Attempt("spawn", [&] {
    const std::lock_guard lock(mutex_);
    std::erase_if(keepers_, [](const auto& one) { return one.expired(); });
    const auto is_same = [&](const auto& one) {
      return !one.owner_before(keeper) && !keeper.owner_before(one);
    };
    if (std::ranges::none_of(keepers_, is_same)) keepers_.push_back(std::move(keeper));
    has_changed_ = true;
    if (changed_.valid()) {
      eventfd_write(changed_.get(), 1);
      return;
    }
    UniqueFd changed(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!changed.valid()) return;
    ThreadPool::Get().Run("criu-watch", [this] { Run(); });
    changed_ = std::move(changed);
  }));
}

void ChildWatch::Run() {
  try {
    while (Look()) {
    }
  } catch (...) {
    // There is no memory to go on with.
    const std::lock_guard lock(mutex_);
    EndLocked();
  }
}

void ChildWatch::EndLocked() noexcept {
  changed_.Reset();
  over_.notify_all();
}

bool ChildWatch::WaitUntilOver(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return over_.wait_until(lock, deadline, [this] { return !changed_.valid(); });
}

// Waits for a change once. False when there is nothing left to wait for.
bool ChildWatch::Look() {
  {
    const std::lock_guard lock(mutex_);
    has_changed_ = false;
  }
  std::vector<UniqueFd> ends;
  for (const auto& keeper : Keepers()) keeper->AppendEnds(&ends);
  if (ends.empty()) {
    const std::lock_guard lock(mutex_);
    if (!has_changed_) EndLocked();
    return has_changed_;
  }
  std::vector<pollfd> fds{{changed_.get(), POLLIN, 0}};
  for (const auto& end : ends) fds.push_back({end.get(), POLLIN, 0});
  poll(fds.data(), fds.size(), -1);
  eventfd_t ignored = 0;
  eventfd_read(changed_.get(), &ignored);
  const bool has_ended =
      std::any_of(fds.begin() + 1, fds.end(), [](const pollfd& fd) { return fd.revents != 0; });
  if (!has_ended) return true;
  ends.clear();
  for (const auto& keeper : Keepers()) keeper->ReapEnded();
  return true;
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
