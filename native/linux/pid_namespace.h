#pragma once

#include <sys/types.h>

namespace criu_node {

// The pid that a process has for us, of which its pid in the namespace of its parent is known;
// -1 when that has no such child.
pid_t PidOfChild(pid_t parent, pid_t inside);

}  // namespace criu_node
