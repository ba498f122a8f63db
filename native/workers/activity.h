#pragma once

#include <shared_mutex>

#include "base/process_global.h"

namespace criu_node {

// A lock, held shared by whoever starts processes or talks to them, and alone by a dump of this
// process, of which they would be a part.
inline std::shared_timed_mutex& Activity() { return ProcessGlobal<std::shared_timed_mutex>(); }

}  // namespace criu_node
