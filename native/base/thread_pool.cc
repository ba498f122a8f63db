#include "base/thread_pool.h"

#include <memory>
#include <utility>

#include "base/failure.h"
#include "base/process_global.h"
#include "base/thread.h"

namespace criu_node {

namespace {

// How many threads wait for work: two for each of two operations.
constexpr size_t kMostWaiting = 4;

}  // namespace

ThreadPool& ThreadPool::Get() { return ProcessGlobal<ThreadPool>(); }

void ThreadPool::Run(const char* name, std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (!waiting_.empty()) {
      Seat* seat = waiting_.back();
      waiting_.pop_back();
      seat->name = name;
      seat->work = std::move(work);
      seat->given.notify_one();
      return;
    }
  }
  StartThread(name, [this, work = std::move(work)]() mutable { Serve(std::move(work)); }).detach();
}

void ThreadPool::RunOrDo(const char* name, const std::function<void()>& work) {
  try {
    Run(name, work);
  } catch (const Failure&) {
    work();
  }
}

std::future<void> ThreadPool::RunAndTell(const char* name, std::function<void()> work) {
  auto task = std::make_shared<std::packaged_task<void()>>(std::move(work));
  auto told = task->get_future();
  Run(name, [task = std::move(task)] { (*task)(); });
  return told;
}

void ThreadPool::Serve(std::function<void()> work) {
  Seat seat;
  for (;;) {
    std::exchange(work, nullptr)();
    std::unique_lock lock(mutex_);
    if (waiting_.size() >= kMostWaiting) return;
    waiting_.push_back(&seat);
    seat.given.wait(lock, [&] { return seat.work != nullptr; });
    NameThread(seat.name);
    work = std::exchange(seat.work, nullptr);
  }
}

}  // namespace criu_node
