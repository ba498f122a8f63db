#include "linux/child.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <mutex>
#include <thread>
#include <utility>

#include "base/failure.h"
#include "base/process_global.h"
#include "base/thread_pool.h"

namespace criu_node {

namespace {

using std::chrono::steady_clock;

// How long a process whose owner drops it may take to end by itself, and to die when it is killed.
constexpr std::chrono::seconds kEndLimit{2};
constexpr std::chrono::milliseconds kDeathLimit{300};
// How often a process is looked at where the kernel does not tell of its end.
constexpr std::chrono::milliseconds kLookInterval{2};

// Processes that nobody waits for, as there was no thread for that. There is room for so many of
// them that it takes no memory to note one; any more stay zombies.
//
// Owner: the process. Thread: any.
class Unattended {
 public:
  void Add(pid_t pid) noexcept {
    const std::lock_guard lock(mutex_);
    auto* const free = std::ranges::find(pids_, 0);
    if (free != pids_.end()) *free = pid;
  }

  // Reaps those that have ended.
  void Look() noexcept {
    const std::lock_guard lock(mutex_);
    for (pid_t& pid : pids_) {
      if (pid != 0 && waitpid(pid, nullptr, WNOHANG) != 0) pid = 0;
    }
  }

 private:
  std::mutex mutex_;
  std::array<pid_t, 256> pids_{};
};

bool HasChanged(pid_t pid, int kinds) {
  siginfo_t info{};
  return waitid(P_PID, static_cast<id_t>(pid), &info, kinds | WNOHANG | WNOWAIT) == 0 &&
         info.si_pid == pid;
}

// Waits for the end of a child without reaping it, so that its number stays its own. True when a
// signal has ended it.
bool AwaitDeathBySignal(pid_t pid) {
  siginfo_t info{};
  int result = 0;
  do {
    result = waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
  } while (result < 0 && errno == EINTR);
  return result == 0 && info.si_code != CLD_EXITED;
}

}  // namespace

ExitStatus WaitFor(pid_t pid) {
  ExitStatus ended;
  int status = 0;
  pid_t result = 0;
  do {
    result = waitpid(pid, &status, 0);
  } while (result < 0 && errno == EINTR);
  if (result == pid) {
    if (WIFEXITED(status)) ended.code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
  }
  return ended;
}

Child::Child(const SpawnSettings& settings)
    : pid_(Spawn(settings)),
      ended_(static_cast<int>(syscall(SYS_pidfd_open, pid_, 0))),
      leads_group_(settings.session == Session::kNew) {
  ProcessGlobal<Unattended>().Look();
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      ended_(std::move(other.ended_)),
      leads_group_(other.leads_group_),
      status_(other.status_) {}

Child& Child::operator=(Child&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(ended_, other.ended_);
  std::swap(leads_group_, other.leads_group_);
  std::swap(status_, other.status_);
  return *this;
}

void Child::Kill() const {
  if (pid_ > 0) kill(leads_group_ ? -pid_ : pid_, SIGKILL);
}

void Child::KillGroup() const {
  if (pid_ > 0 && leads_group_) kill(-pid_, SIGKILL);
}

bool Child::IsStopped() const { return pid_ > 0 && HasChanged(pid_, WSTOPPED); }

void Child::Continue() const {
  if (IsStopped()) kill(pid_, SIGCONT);
}

bool Child::HasEnded(steady_clock::time_point until) const {
  if (pid_ < 0) return true;
  for (;;) {
    if (HasChanged(pid_, WEXITED)) return true;
    const auto left = until - steady_clock::now();
    if (left <= steady_clock::duration::zero()) return false;
    const auto wait = ended_.valid() ? left : std::min<steady_clock::duration>(left, kLookInterval);
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wait);
    const timespec limit{.tv_sec = seconds.count(),
                         .tv_nsec = std::chrono::nanoseconds(wait - seconds).count()};
    pollfd fd{ended_.get(), POLLIN, 0};
    ppoll(&fd, 1, &limit, nullptr);
  }
}

void Child::End() noexcept {
  if (pid_ < 0) return;
  if (!HasEnded(steady_clock::now() + kEndLimit)) {
    Kill();
    if (!HasEnded(steady_clock::now() + kDeathLimit)) return Leave();
  }
  Reap();
}

void Child::Leave() noexcept {
  const pid_t pid = std::exchange(pid_, -1);
  if (pid < 0) return;
  if (Attempt("spawn", [pid] { ThreadPool::Get().Run("criu-reaper", [pid] { WaitFor(pid); }); })) {
    ProcessGlobal<Unattended>().Add(pid);
  }
}

ExitStatus Child::Reap() {
  if (pid_ < 0) return status_;
  if (AwaitDeathBySignal(pid_)) KillGroup();
  status_ = WaitFor(std::exchange(pid_, -1));
  ended_.Reset();
  return status_;
}

}  // namespace criu_node
