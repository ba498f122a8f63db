#include "linux/exchange.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/failure.h"

#ifndef RENAME_EXCHANGE
#define RENAME_EXCHANGE (1U << 1U)
#endif

namespace criu_node {

void Exchange(const std::string& first, const std::string& second) {
  // musl has no renameat2().
  if (syscall(SYS_renameat2, AT_FDCWD, first.c_str(), AT_FDCWD, second.c_str(), RENAME_EXCHANGE) !=
      0) {
    throw Failure::System("keep", "cannot exchange " + first + " and " + second);
  }
}

}  // namespace criu_node
