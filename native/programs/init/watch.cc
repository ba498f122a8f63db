#include "programs/init/watch.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <optional>

namespace criu_node::init {

namespace {

// What is not passed on: it is about us, or the kernel's word on a fault.
constexpr auto kOurs = std::to_array<int>(
    {SIGCHLD, SIGPIPE, SIGTTIN, SIGTTOU, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS});

// The signals that are to be passed on. Those that come while criu is at work wait for its end.
class Signals {
 public:
  explicit Signals(const UniqueFd& source) : source_(source) { sigemptyset(&waiting_); }

  // Takes those that have come.
  void Take() {
    signalfd_siginfo info{};
    while (read(source_.get(), &info, sizeof(info)) == sizeof(info)) {
      const int number = static_cast<int>(info.ssi_signo);
      if (std::ranges::find(kOurs, number) == kOurs.end()) sigaddset(&waiting_, number);
    }
  }

  void PassOn(pid_t root) {
    if (root <= 0) return;
    for (int number = 1; number <= SIGRTMAX; ++number) {
      if (sigismember(&waiting_, number) == 1) kill(root, number);
    }
    sigemptyset(&waiting_);
  }

 private:
  const UniqueFd& source_;
  sigset_t waiting_{};
};

// How a process has ended, once it has.
std::optional<int> Reap(pid_t pid) {
  int status = 0;
  return waitpid(pid, &status, WNOHANG) == pid ? std::optional(status) : std::nullopt;
}

// Gives how `root` has ended, once it has, or 0 when there is nobody left.
std::optional<int> ReapAll(pid_t root) {
  std::optional<int> found;
  for (;;) {
    int status = 0;
    const pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);
    if (pid == 0) return found;
    if (pid < 0 && errno == ECHILD) return found.value_or(0);
    if (pid == root) found = status;
  }
}

// What criu was handed and has opened by now, or will never open.
void CloseHanded(const Settings& settings) {
  for (int fd = Settings::kFirst; fd < settings.End(); ++fd) close(fd);
}

}  // namespace

UniqueFd TakeSignals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  return UniqueFd(signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
}

void Watch(const Settings& settings, pid_t criu, const UniqueFd& source, const Report& report) {
  Signals signals(source);
  bool restores = true;
  // The socket is hung up when there is nobody any more who has started us.
  std::array<pollfd, 2> fds{{{source.get(), POLLIN, 0}, {-1, POLLRDHUP, 0}}};
  if (settings.ends_with_parent) fds[1].fd = report.fd();
  // Whatever happens is seen, as the signal that tells of it is read before it is looked for.
  for (;; poll(fds.data(), fds.size(), -1)) {
    if (fds[1].revents != 0) return;
    signals.Take();
    if (restores) {
      // Until criu has ended the processes are its own to look at, dead ones too.
      const auto status = Reap(criu);
      if (!status) continue;
      if (*status != 0) return;
      restores = false;
      CloseHanded(settings);
    }
    if (const auto status = ReapAll(settings.root)) return report.Ended(*status);
    signals.PassOn(settings.root);
  }
}

}  // namespace criu_node::init
