#pragma once

#include <sys/syscall.h>

// Numbers of system calls that are newer than the headers of the oldest C library that we build
// with. From 424 on they are the same for every processor.
#ifndef SYS_close_range
#define SYS_close_range 436  // NOLINT(cppcoreguidelines-macro-usage): as in the header
#endif
#ifndef SYS_openat2
#define SYS_openat2 437  // NOLINT(cppcoreguidelines-macro-usage): as in the header
#endif
#ifndef SYS_pidfd_getfd
#define SYS_pidfd_getfd 438  // NOLINT(cppcoreguidelines-macro-usage): as in the header
#endif
