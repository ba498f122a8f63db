#include "linux/process_facts.h"

#include <fcntl.h>
#include <linux/kcmp.h>
#include <sys/socket.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "base/system_calls.h"
#include "base/unique_fd.h"

namespace criu_node {

static_assert(static_cast<int>(Shared::kMemory) == KCMP_VM);
static_assert(static_cast<int>(Shared::kDescriptors) == KCMP_FILES);
static_assert(static_cast<int>(Shared::kDirectories) == KCMP_FS);
static_assert(static_cast<int>(Shared::kSignalHandlers) == KCMP_SIGHAND);

std::optional<int> Compare(Shared what, pid_t first, pid_t second) {
  const auto order = syscall(SYS_kcmp, first, second, static_cast<int>(what), 0, 0);
  if (order == 0) return 0;
  if (order == 1) return -1;
  if (order == 2) return 1;
  return std::nullopt;
}

std::optional<std::string> SocketProtocol(pid_t pid, int fd) {
  const std::string path = "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(fd);
  std::array<char, 64> name{};
  const ssize_t length = getxattr(path.c_str(), "system.sockprotoname", name.data(), name.size());
  if (length <= 0) return std::nullopt;
  return std::string(name.begin(), std::find(name.begin(), name.begin() + length, '\0'));
}

std::optional<bool> PassesControl(pid_t pid, int fd) {
  constexpr int kPassPidfd = 76;  // SO_PASSPIDFD, which older headers have not
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process.valid()) return std::nullopt;
  const UniqueFd socket(static_cast<int>(syscall(SYS_pidfd_getfd, process.get(), fd, 0)));
  if (!socket.valid()) return std::nullopt;
  std::optional<bool> passes;
  for (const int option : {SO_PASSCRED, SO_PASSSEC, SO_TIMESTAMP, SO_TIMESTAMPNS, kPassPidfd}) {
    int value = 0;
    socklen_t length = sizeof(value);
    if (getsockopt(socket.get(), SOL_SOCKET, option, &value, &length) != 0) continue;
    passes = passes.value_or(false) || value != 0;
  }
  return passes;
}

std::optional<int> FileSeals(const std::string& link) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): open() is what there is
  const UniqueFd file(open(link.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!file.valid()) return std::nullopt;
  const int seals = fcntl(file.get(), F_GET_SEALS);  // NOLINT: so is fcntl()
  if (seals < 0) return std::nullopt;
  return seals;
}

}  // namespace criu_node
