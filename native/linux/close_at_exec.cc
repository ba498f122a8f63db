#include "linux/close_at_exec.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>

#include "base/system_calls.h"

namespace criu_node {

namespace {

// <linux/close_range.h> is newer than the headers that we build with.
constexpr unsigned kUnshare = 1U << 1U;
constexpr unsigned kCloexec = 1U << 2U;
constexpr unsigned kLast = ~0U;

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};

// What close_range() does, for Linux before 5.11 and for sandboxes that forbid it.
int MarkEach(int first) {
  if (unshare(CLONE_FILES) != 0) return errno;
  // The table of /proc/self is the one of the main thread.
  const std::unique_ptr<DIR, CloseDirectory> directory(opendir("/proc/thread-self/fd"));
  if (directory == nullptr) return errno;
  // NOLINTNEXTLINE(concurrency-mt-unsafe): no other thread reads this stream
  while (const dirent* entry = readdir(directory.get())) {
    const char* const name = &entry->d_name[0];
    int number = -1;
    std::from_chars(name, name + strlen(name), number);
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): fcntl() is what there is
    if (number >= first && fcntl(number, F_SETFD, FD_CLOEXEC) != 0) return errno;
  }
  return 0;
}

}  // namespace

int CloseAtExec(int first) noexcept {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): older C libraries have no function for it
  if (syscall(SYS_close_range, first, kLast, kUnshare | kCloexec) == 0) return 0;
  return MarkEach(first);
}

}  // namespace criu_node
