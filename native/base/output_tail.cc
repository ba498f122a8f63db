#include "base/output_tail.h"

#include <unistd.h>

#include <array>

#include "base/failure.h"

namespace criu_node {

namespace {

constexpr size_t kKeptOutput = 64UL * 1024;
// How much is read at once: more than a pipe holds, so that nothing stays in it when its writer has
// ended; and an end for one that never stops writing.
constexpr size_t kReadAtOnce = 4 * kKeptOutput;

}  // namespace

void OutputTail::Drain(int pipe) noexcept {
  std::array<char, 4096> buffer{};
  for (size_t read_so_far = 0; read_so_far < kReadAtOnce;) {
    const ssize_t length = read(pipe, buffer.data(), buffer.size());
    if (length <= 0) return;
    read_so_far += static_cast<size_t>(length);
    static_cast<void>(
        Attempt("output", [&] { text_.append(buffer.data(), static_cast<size_t>(length)); }));
    if (text_.size() > kKeptOutput) text_.erase(0, text_.size() - kKeptOutput);
  }
}

}  // namespace criu_node
