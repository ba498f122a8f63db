#pragma once

namespace criu_node {

// Gives the calling thread a table of descriptors of its own, in which all from `first` on are
// closed by an exec. What it starts then gets no others, and the rest of the process keeps them as
// they are. Returns an errno, or 0. It is for a thread that ends soon: until then its table holds
// open whatever others close.
int CloseAtExec(int first) noexcept;

}  // namespace criu_node
