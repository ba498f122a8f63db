#include "programs/init/namespaces.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
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

// Those in the namespace reach one another by it, as anywhere else.
Fault StartLoopback() {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::memcpy(request.ifr_name, "lo", sizeof("lo"));
  request.ifr_flags = IFF_UP;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): ioctl() is what there is
  if (!socket.valid() || ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) {
    return Failed("cannot start the interface lo");
  }
  return {};
}

Fault EnterNetwork(int network) {
  if (network == Settings::kSameNetwork) return {};
  if (network != Settings::kNewNetwork) {
    if (setns(network, CLONE_NEWNET) != 0) return Failed("cannot enter the network namespace");
    return {};
  }
  if (unshare(CLONE_NEWNET) != 0) return Failed("cannot make a network namespace");
  return StartLoopback();
}

Fault SetHostname(const char* name) {
  if (name == nullptr) return {};
  if (unshare(CLONE_NEWUTS) != 0) return Failed("cannot make a namespace for the host name");
  if (sethostname(name, strlen(name)) != 0) return Failed("cannot set the host name");
  return {};
}

}  // namespace

Fault EnterCgroups(const Settings& settings) {
  for (size_t i = 0; i < settings.cgroup_count; ++i) {
    // It stands for the process that writes it.
    if (write(settings.cgroups.at(i), "0", 1) != 1) return Failed("cannot enter the cgroup");
  }
  return {};
}

Fault EnterNamespaces(const Settings& settings) {
  if (const Fault fault = MountProc()) return fault;
  if (const Fault fault = EnterNetwork(settings.network)) return fault;
  if (const Fault fault = SetHostname(settings.hostname)) return fault;
  return SkipPids(settings.before);
}

}  // namespace criu_node::init
