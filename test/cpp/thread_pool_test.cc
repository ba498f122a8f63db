#include "base/thread_pool.h"

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

#include "test.h"

namespace criu_node::test {

namespace {

constexpr int kCallers = 8;
constexpr int kWorks = 200;

void RunEachWorkOnce() {
  std::atomic<int> done = 0;
  std::vector<std::thread> callers;
  callers.reserve(kCallers);
  for (int i = 0; i < kCallers; ++i) {
    callers.emplace_back([&] {
      for (int work = 0; work < kWorks; ++work) {
        ThreadPool::Get().RunAndTell("test", [&] { ++done; }).wait();
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  Expect(done == kCallers * kWorks, "each work is done once");
}

void SeeWhatTheCallerWrote() {
  // No atomic here: to hand work over is what orders the accesses.
  int value = 0;
  for (int work = 0; work < kWorks; ++work) {
    ++value;
    ThreadPool::Get().RunAndTell("test", [&] { ++value; }).wait();
  }
  Expect(value == 2 * kWorks, "no increment is lost");
}

void RunWorkOfWork() {
  std::promise<void> innermost;
  ThreadPool::Get().Run("outer", [&] {
    ThreadPool::Get().Run(
        "middle", [&] { ThreadPool::Get().RunOrDo("inner", [&] { innermost.set_value(); }); });
  });
  innermost.get_future().wait();
}

void TellAnException() {
  auto told = ThreadPool::Get().RunAndTell("test", [] { throw std::runtime_error("as it is"); });
  std::string what;
  try {
    told.get();
  } catch (const std::runtime_error& error) {
    what = error.what();
  }
  Expect(what == "as it is", "whoever waits gets what the work has thrown");
}

void RunManyAtATime() {
  // More than threads ever wait for work.
  constexpr int kAtATime = 32;
  std::promise<void> gate;
  const std::shared_future<void> opened = gate.get_future().share();
  std::atomic<int> started = 0;
  std::vector<std::future<void>> works;
  works.reserve(kAtATime);
  for (int i = 0; i < kAtATime; ++i) {
    works.push_back(ThreadPool::Get().RunAndTell("test", [&, opened] {
      ++started;
      opened.wait();
    }));
  }
  while (started < kAtATime) std::this_thread::yield();
  gate.set_value();
  for (std::future<void>& work : works) work.wait();
}

}  // namespace

}  // namespace criu_node::test

int main() {
  using namespace criu_node::test;
  return RunAll({
      {"each work of many callers is done once", RunEachWorkOnce},
      {"work sees what its caller has written, and the other way round", SeeWhatTheCallerWrote},
      {"work may hand on work", RunWorkOfWork},
      {"an exception of the work is told", TellAnException},
      {"as many works run at a time as are given", RunManyAtATime},
  });
}
