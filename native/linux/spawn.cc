#include "linux/spawn.h"

#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <thread>

#include "base/failure.h"
#include "linux/close_at_exec.h"

namespace criu_node {

namespace {

struct FileActions {
  posix_spawn_file_actions_t value{};
  FileActions() { posix_spawn_file_actions_init(&value); }
  ~FileActions() { posix_spawn_file_actions_destroy(&value); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  FileActions(FileActions&&) = delete;
  FileActions& operator=(FileActions&&) = delete;
};

struct Attributes {
  posix_spawnattr_t value{};
  Attributes() { posix_spawnattr_init(&value); }
  ~Attributes() { posix_spawnattr_destroy(&value); }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  Attributes(Attributes&&) = delete;
  Attributes& operator=(Attributes&&) = delete;
};

// posix_spawn takes `char* const[]` but changes nothing.
std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const auto& text : strings) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Nobody but the owner may read or write.
constexpr mode_t kPrivate = 077;

// Runs a short piece of work, which does not throw, in a thread that ends with it. Gives an errno
// when there is no thread.
template <typename Work>
int InThreadOfItsOwn(const Work& work) {
  int result = 0;
  try {
    std::thread([&] { result = work(); }).join();
  } catch (const std::system_error& error) {
    return error.code().value();
  }
  return result;
}

}  // namespace

SocketPair MakeSocketPair(const char* stage) {
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    throw Failure::System(stage, "cannot make a socket pair");
  }
  return {.ours = UniqueFd(pair[0]), .theirs = UniqueFd(pair[1])};
}

pid_t Spawn(const SpawnSettings& settings) {
  int last = STDERR_FILENO;
  for (const auto& [ours, number] : settings.descriptors) last = std::max(last, number);

  FileActions actions;
  // Out of the way of the numbers that are wanted: dup2 onto itself would keep CLOEXEC, and a
  // source must not be overwritten before it is copied.
  std::vector<UniqueFd> sources;
  for (int number = 0; number <= last; ++number) {
    const auto wanted =
        std::ranges::find(settings.descriptors, number, &std::pair<int, int>::second);
    if (wanted == settings.descriptors.end()) {
      posix_spawn_file_actions_addopen(&actions.value, number, "/dev/null", O_RDWR, 0);
      continue;
    }
    int source = wanted->first;
    if (source <= last) {
      source = sources.emplace_back(fcntl(source, F_DUPFD_CLOEXEC, last + 1)).get();
      if (source < 0) throw Failure::System(settings.stage, "cannot copy a descriptor");
    }
    posix_spawn_file_actions_adddup2(&actions.value, source, number);
  }
  // Node ignores SIGPIPE and our threads block everything; criu counts on SIGCHLD. SIGXFSZ, which
  // Node ignores too, stays so: it makes a write above RLIMIT_FSIZE fail in place of ending criu,
  // which is how a dump is interrupted (see native/rollback/interrupt.h).
  Attributes attributes;
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigdelset(&all, SIGXFSZ);
  sigemptyset(&none);
  posix_spawnattr_setsigdefault(&attributes.value, &all);
  posix_spawnattr_setsigmask(&attributes.value, &none);
  const int session = settings.session == Session::kNew ? POSIX_SPAWN_SETSID : 0;
  posix_spawnattr_setflags(
      &attributes.value,
      static_cast<int16_t>(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | session));
  const std::vector<char*> arguments = Pointers(settings.arguments);
  const std::vector<char*> environment = Pointers(settings.environment);
  pid_t pid = -1;
  bool lacks_namespace = false;
  const int error = InThreadOfItsOwn([&]() noexcept {
    // It holds for what this thread starts, and ends with the thread.
    if (settings.makes_pid_namespace && unshare(CLONE_NEWPID) != 0) {
      lacks_namespace = true;
      return errno;
    }
    // What the child writes holds the memory of others' processes. The umask of this process is
    // Node's, so the child gets it from a thread that has one of its own.
    if (settings.umask == Umask::kPrivate && unshare(CLONE_FS) == 0) umask(kPrivate);
    // What Node itself inherited is not CLOEXEC (a status fd among it) and none of the child's
    // business. posix_spawn() can close it only in newer C libraries.
    if (const int failed = CloseAtExec(last + 1); failed != 0) return failed;
    return posix_spawn(&pid, settings.program.c_str(), &actions.value, &attributes.value,
                       arguments.data(), environment.data());
  });
  if (lacks_namespace) throw Failure(settings.stage, error, "cannot make a pid namespace");
  if (error != 0) throw Failure(settings.stage, error, "cannot start " + settings.program);
  return pid;
}

}  // namespace criu_node
