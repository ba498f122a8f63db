#pragma once

namespace criu_node::tar {

// Becomes the `tar` that PATH names after this program. Returns when there is none, with errno.
void ExecNextTar(char* const* arguments);

}  // namespace criu_node::tar
