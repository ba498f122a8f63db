// Preloaded into a Node.js that is to be checkpointed: CRIU cannot save an io_uring, and the libuv
// of Node.js 22 and newer makes one for each event loop whatever its environment says. It asks the
// kernel by syscall(), and does without where the kernel has none.

#include <dlfcn.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstdarg>

#include "programs/preload/hide_from_children.h"

namespace {

using Syscall = long (*)(long, ...);

// The C library's own function. Whoever comes first finds it, and all find the same; a local static
// would need libstdc++.
Syscall next = nullptr;

}  // namespace

extern "C" __attribute__((visibility("default"))) long syscall(long number, ...) {
  if (number == SYS_io_uring_setup) {
    errno = ENOSYS;
    return -1;
  }
  if (next == nullptr) next = reinterpret_cast<Syscall>(dlsym(RTLD_NEXT, "syscall"));
  std::array<long, 6> arguments{};
  va_list list;
  va_start(list, number);
  for (long& argument : arguments) argument = va_arg(list, long);
  va_end(list);
  return next(number, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4],
              arguments[5]);
}
