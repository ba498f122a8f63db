#pragma once

#include "programs/init/fault.h"
#include "programs/init/settings.h"

namespace criu_node::init {

// Enters the cgroups, in which all that is started here stays.
Fault EnterCgroups(const Settings& settings);

// Makes the namespaces beside that of pids, which is there already, and what is in them.
Fault EnterNamespaces(const Settings& settings);

}  // namespace criu_node::init
