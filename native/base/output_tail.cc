#include "base/output_tail.h"

#include <unistd.h>

#include <array>

namespace criu_node {

namespace {

constexpr size_t kKeptOutput = 64UL * 1024;

}  // namespace

void OutputTail::Drain(int pipe) {
  std::array<char, 4096> buffer{};
  for (;;) {
    const ssize_t length = read(pipe, buffer.data(), buffer.size());
    if (length <= 0) return;
    text_.append(buffer.data(), static_cast<size_t>(length));
    if (text_.size() > kKeptOutput) text_.erase(0, text_.size() - kKeptOutput);
  }
}

}  // namespace criu_node
