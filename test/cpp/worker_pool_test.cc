#include "workers/worker_pool.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/failure.h"
#include "base/unique_fd.h"
#include "test.h"

namespace criu_node::test {

namespace {

using std::chrono::steady_clock;

// A criu that waits for a request, or for the end of its socket, which are its descriptor 3.
constexpr std::string_view kScript = "#!/bin/sh\nexec cat <&3 >/dev/null 2>&1\n";

// The program, which is gone with it.
class FakeCriu {
 public:
  FakeCriu() {
    Expect(mkdtemp(directory_.data()) != nullptr, "there is a place for a program");
    const UniqueFd file(open(binary().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0700));
    Expect(
        write(file.get(), kScript.data(), kScript.size()) == static_cast<ssize_t>(kScript.size()),
        "the program can be written");
  }
  ~FakeCriu() {
    unlink(binary().c_str());
    rmdir(directory_.c_str());
  }
  FakeCriu(const FakeCriu&) = delete;
  FakeCriu& operator=(const FakeCriu&) = delete;
  FakeCriu(FakeCriu&&) = delete;
  FakeCriu& operator=(FakeCriu&&) = delete;

  [[nodiscard]] std::string binary() const { return directory_ + "/criu"; }
  [[nodiscard]] WorkerSettings settings(const std::string& name = "A") const {
    return {
        .binary = binary(), .environment = {"PATH=/usr/bin:/bin", "NAME=" + name}, .service = {}};
  }

 private:
  std::string directory_ = "/tmp/libcriu-test-XXXXXX";
};

steady_clock::time_point Soon() { return steady_clock::now() + std::chrono::minutes(1); }

void ExpectNoChild() {
  Expect(waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD, "no process is left");
}

// What stands in a worker's environment; while it executes another program that cannot be read.
std::string NameOf(const Worker& worker) {
  const auto deadline = Soon();
  while (steady_clock::now() < deadline) {
    std::ifstream file("/proc/" + std::to_string(worker.pid()) + "/environ");
    for (std::string variable; std::getline(file, variable, '\0');) {
      if (variable.starts_with("NAME=")) return variable.substr(variable.find('=') + 1);
    }
  }
  return {};
}

void GiveAFittingSpare() {
  const FakeCriu criu;
  const auto pool = std::make_shared<WorkerPool>();
  pool->Refill(criu.settings("A"), 1, pool->term());
  const auto other = pool->Take(criu.settings("B"));
  const auto fitting = pool->Take(criu.settings("A"));
  Expect(NameOf(*other) == "B", "a spare with another environment is not given");
  Expect(NameOf(*fitting) == "A", "the one with this environment is");
  pool->Close();
  Expect(pool->WaitUntilClosed(Soon()), "a pool without spares is closed at once");
}

void ReplaceADeadSpare() {
  const FakeCriu criu;
  const auto pool = std::make_shared<WorkerPool>();
  pool->Refill(criu.settings(), 1, pool->term());
  {
    const auto spare = pool->Take(criu.settings());
    pool->Refill(criu.settings(), 1, pool->term());
    const auto second = pool->Take(criu.settings());
    Expect(spare->pid() != second->pid(), "a spare is given once");
  }
  pool->Close();
  Expect(pool->WaitUntilClosed(Soon()), "the pool is closed");
  ExpectNoChild();
}

// Everything at once, as operations, Criu.close() and a self-checkpoint may do it.
void BeUsedByManyThreads() {
  const FakeCriu criu;
  const auto pool = std::make_shared<WorkerPool>();
  std::vector<std::thread> threads;
  constexpr int kThreads = 4;
  constexpr int kRounds = 25;
  threads.reserve(kThreads + 1);
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const WorkerSettings settings = criu.settings(i % 2 == 0 ? "A" : "B");
      for (int round = 0; round < kRounds; ++round) {
        const uint64_t term = pool->term();
        auto worker = pool->Take(settings);
        pool->Refill(settings, 2, term);
        worker->Kill();
        const WorkerPool::Retirement retirement(pool, std::move(worker));
      }
    });
  }
  threads.emplace_back([&] {
    for (int round = 0; round < kRounds; ++round) {
      pool->Close();
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
  });
  for (std::thread& thread : threads) thread.join();
  pool->Close();
  Expect(pool->WaitUntilClosed(Soon()), "all that was started has ended");
  ExpectNoChild();
}

void StartNothingForAPoolThatWasClosed() {
  const FakeCriu criu;
  const auto pool = std::make_shared<WorkerPool>();
  const uint64_t term = pool->term();
  pool->Close();
  pool->Refill(criu.settings(), 2, term);
  ExpectNoChild();
}

void FailWithoutAProgram() {
  const auto pool = std::make_shared<WorkerPool>();
  const WorkerSettings settings{.binary = "/nowhere/criu", .environment = {}, .service = {}};
  std::string stage;
  try {
    pool->Refill(settings, 2, pool->term());
  } catch (const Failure& failure) {
    stage = failure.stage();
  }
  Expect(stage == "spawn", "it is told at which stage");
  pool->Close();
  Expect(pool->WaitUntilClosed(Soon()), "nothing is waited for");
  ExpectNoChild();
}

}  // namespace

}  // namespace criu_node::test

int main() {
  using namespace criu_node::test;
  return RunAll({
      {"a spare is given to whoever it fits", GiveAFittingSpare},
      {"a spare is given once, and all are reaped", ReplaceADeadSpare},
      {"threads take, refill, retire and close at once", BeUsedByManyThreads},
      {"a refill of an earlier term starts nothing", StartNothingForAPoolThatWasClosed},
      {"a program that is missing leaves nothing to wait for", FailWithoutAProgram},
  });
}
