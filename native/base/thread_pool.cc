#include "base/thread_pool.h"

#include <memory>
#include <utility>

#include "base/process_global.h"
#include "base/thread.h"

namespace criu_node {

ThreadPool& ThreadPool::Get() { return ProcessGlobal<ThreadPool>(); }

void ThreadPool::Run(const char* name, std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (waiting_count_ > 0) {
      Seat* seat = waiting_.at(--waiting_count_);
      seat->name = name;
      seat->work = std::move(work);
      seat->given.notify_one();
      return;
    }
  }
  StartThread(name, [this, work = std::move(work)]() mutable { Serve(std::move(work)); }).detach();
}

std::future<void> ThreadPool::RunAndTell(const char* name, std::function<void()> work) {
  auto task = std::make_shared<std::packaged_task<void()>>(std::move(work));
  auto told = task->get_future();
  // A copy: should this throw, the task must outlive `told`, for which it would make an exception
  // that takes memory in a destructor.
  Run(name, [task] { (*task)(); });
  return told;
}

void ThreadPool::Serve(std::function<void()> work) {
  Seat seat;
  for (;;) {
    static_cast<void>(Attempt("spawn", std::exchange(work, nullptr)));
    std::unique_lock lock(mutex_);
    if (waiting_count_ == kMostWaiting) return;
    waiting_.at(waiting_count_++) = &seat;
    seat.given.wait(lock, [&] { return seat.work != nullptr; });
    NameThread(seat.name);
    work = std::exchange(seat.work, nullptr);
  }
}

}  // namespace criu_node
