#include "programs/init/criu.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "linux/close_at_exec.h"

extern char** environ;

namespace criu_node::init {

namespace {

constexpr int kCannotRun = 127;

// In the child. What criu is not to have is closed when it begins.
[[noreturn]] void Run(const Settings& settings, int socket) {
  setsid();
  sigset_t none;
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, nullptr);
  const bool is_ready = dup2(socket, Settings::kSocket) == Settings::kSocket &&
                        CloseAtExec(Settings::kFirst + settings.inherited) == 0;
  if (is_ready) execve(settings.criu[0], settings.criu, environ);
  _exit(kCannotRun);
}

}  // namespace

Criu StartCriu(const Settings& settings) {
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) return {};
  Criu criu{.pid = -1, .socket = UniqueFd(pair[0])};
  const UniqueFd theirs(pair[1]);
  // We are a small process, whose copy costs little.
  criu.pid = fork();
  if (criu.pid == 0) Run(settings, theirs.get());
  return criu;
}

}  // namespace criu_node::init
