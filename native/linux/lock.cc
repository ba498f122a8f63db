#include "linux/lock.h"

#include <sys/file.h>

#include <cerrno>

#include "base/failure.h"

namespace criu_node {

bool TryLock(int fd, LockMode mode) {
  const int operation = mode == LockMode::kShared ? LOCK_SH : LOCK_EX;
  for (;;) {
    if (flock(fd, operation | LOCK_NB) == 0) return true;
    if (errno == EWOULDBLOCK) return false;
    if (errno != EINTR) throw Failure::System("directory", "cannot lock a directory or file");
  }
}

void Unlock(int fd) noexcept { flock(fd, LOCK_UN); }

}  // namespace criu_node
