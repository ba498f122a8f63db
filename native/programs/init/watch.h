#pragma once

#include <sys/types.h>

#include "base/unique_fd.h"
#include "programs/init/report.h"
#include "programs/init/settings.h"

namespace criu_node::init {

// Blocks all signals. Each of them is read from what is returned.
UniqueFd TakeSignals();

// Reaps whoever ends here, and passes on the signals that come for us, until the first of the
// restored processes has ended, or criu has failed; or, where that is asked for, our parent has
// ended. Whatever is left ends with us.
void Watch(const Settings& settings, pid_t criu, const UniqueFd& source, const Report& report);

}  // namespace criu_node::init
