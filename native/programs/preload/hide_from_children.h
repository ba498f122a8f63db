#pragma once

// To be included by the one source file of a preloaded library.

#include <cstdlib>
#include <cstring>

// Takes us out of LD_PRELOAD: the programs that this one starts are none of our business. We come
// first in the list.
__attribute__((constructor)) inline void HideFromChildren() {
  const char* list = getenv("LD_PRELOAD");  // NOLINT(concurrency-mt-unsafe): before any thread
  const char* rest = list == nullptr ? nullptr : strchr(list, ' ');
  if (rest == nullptr) {
    unsetenv("LD_PRELOAD");  // NOLINT(concurrency-mt-unsafe)
  } else {
    setenv("LD_PRELOAD", rest + 1, 1);  // NOLINT(concurrency-mt-unsafe)
  }
}
