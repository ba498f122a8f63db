#pragma once

#include <string>
#include <utility>

namespace criu_node {

// The end of what a program prints: enough for its last words, whatever it prints before them.
//
// Owner and thread: those of its owner.
class OutputTail {
 public:
  // Reads what there is in a pipe that does not block. Does nothing for -1. What there is no memory
  // for is lost: a program must not be held up by what it prints.
  void Drain(int pipe) noexcept;

  // What was printed so far, the last 64 KiB of it.
  [[nodiscard]] std::string Take() noexcept { return std::exchange(text_, {}); }

 private:
  std::string text_;
};

}  // namespace criu_node
