#include "linux/child.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace criu_node {

namespace {

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
      leads_group_(settings.session == Session::kNew) {}

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
  if (pid_ > 0) kill(pid_, SIGKILL);
}

ExitStatus Child::Reap() {
  if (pid_ < 0) return status_;
  if (AwaitDeathBySignal(pid_) && leads_group_) kill(-pid_, SIGKILL);
  status_ = WaitFor(std::exchange(pid_, -1));
  return status_;
}

}  // namespace criu_node
