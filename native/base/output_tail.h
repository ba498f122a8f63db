#pragma once

#include <string>

namespace criu_node {

// The end of what a program prints: enough for its last words, whatever it prints before them.
//
// Owner and thread: those of its owner.
class OutputTail {
 public:
  // Reads what there is in a pipe that does not block. Does nothing for -1.
  void Drain(int pipe);

  // What was printed so far, the last 64 KiB of it.
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace criu_node
