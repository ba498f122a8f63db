#include "programs/init/namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"

namespace criu_node::init {

namespace {

Fault Failed(const char* what) { return {.what = what, .error = errno}; }

// What is mounted here is seen nowhere else, and /proc tells of the processes in here.
Fault MountProc() {
  if (unshare(CLONE_NEWNS) != 0) return Failed("cannot make a mount namespace");
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return Failed("cannot make the mounts private");
  }
  if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) {
    return Failed("cannot mount /proc");
  }
  return {};
}

// criu, and what it starts, must not have the pids of those that it is to restore.
Fault SkipPids(const char* before) {
  if (before == nullptr) return {};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): open() is what there is
  const UniqueFd file(open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC));
  const auto length = static_cast<ssize_t>(strlen(before));
  if (!file.valid() || write(file.get(), before, static_cast<size_t>(length)) != length) {
    return Failed("cannot set the next pid");
  }
  return {};
}

}  // namespace

Fault EnterNamespaces(const Settings& settings) {
  if (const Fault fault = MountProc()) return fault;
  return SkipPids(settings.before);
}

}  // namespace criu_node::init
