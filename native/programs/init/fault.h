#pragma once

namespace criu_node::init {

// A step that has failed: what it was to do, or null when nothing has failed, and its errno.
struct Fault {
  const char* what = nullptr;
  int error = 0;

  explicit operator bool() const { return what != nullptr; }
};

}  // namespace criu_node::init
