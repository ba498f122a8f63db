#pragma once

#include "programs/init/fault.h"
#include "programs/init/settings.h"

namespace criu_node::init {

// Makes the namespaces beside that of pids, which is there already, and what is in them.
Fault EnterNamespaces(const Settings& settings);

}  // namespace criu_node::init
