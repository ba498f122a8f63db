#pragma once

#include <sys/types.h>

#include "base/unique_fd.h"
#include "programs/init/settings.h"

namespace criu_node::init {

struct Criu {
  pid_t pid = -1;
  UniqueFd socket;  // the other end of criu's
};

// Starts criu, which then finds its client here: it opens what a request tells of by the path
// /proc/1/fd/N. There is no pid where that fails, which errno tells.
Criu StartCriu(const Settings& settings);

}  // namespace criu_node::init
