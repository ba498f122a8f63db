#pragma once

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <span>
#include <string>

#include "base/unique_fd.h"

// What the fuzzed programs share.
namespace criu_node::fuzz {

using Bytes = std::span<const uint8_t>;

// Ends the program, which libFuzzer reports with the input, when it does not hold. The place is the
// caller's; clang 14 has no std::source_location.
inline void Expect(bool holds, const char* what, const char* file = __builtin_FILE(),
                   int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%d: expected that %s\n", file, line, what);
  std::abort();
}

// Takes an input apart. Chunks are small and their lengths one or two bytes, so that the files of
// the corpus can be made by hand.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(data, size) {}

  [[nodiscard]] bool empty() const { return rest_.empty(); }
  uint8_t Byte() {
    const Bytes byte = Take(1);
    return byte.empty() ? 0 : byte.front();
  }
  // At most that many bytes: what is left, if that is less.
  Bytes Take(size_t length) {
    const Bytes taken = rest_.first(std::min(length, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  // A length of two bytes, the lower one first, and as many bytes.
  Bytes Chunk() {
    const size_t low = Byte();
    return Take(low + (size_t{Byte()} << 8U));
  }
  // A length of one byte, and as many characters.
  std::string Text() {
    const Bytes bytes = Take(Byte());
    return {bytes.begin(), bytes.end()};
  }
  Bytes Rest() { return Take(rest_.size()); }

 private:
  Bytes rest_;
};

// Two ends of a connection that keeps messages apart, in which what is sent waits for its reader.
struct Pair {
  explicit Pair(int type = SOCK_SEQPACKET) {
    std::array<int, 2> ends{};
    Expect(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends.data()) == 0,
           "a pair of sockets can be made");
    ours = UniqueFd(ends[0]);
    theirs = UniqueFd(ends[1]);
  }
  UniqueFd ours;
  UniqueFd theirs;
};

// Whether all descriptors that were opened in a scope are closed at its end.
class NoDescriptorIsLeft {
 public:
  NoDescriptorIsLeft() : before_(Count()) {}
  ~NoDescriptorIsLeft() { Expect(Count() == before_, "no descriptor is left open"); }
  NoDescriptorIsLeft(const NoDescriptorIsLeft&) = delete;
  NoDescriptorIsLeft& operator=(const NoDescriptorIsLeft&) = delete;
  NoDescriptorIsLeft(NoDescriptorIsLeft&&) = delete;
  NoDescriptorIsLeft& operator=(NoDescriptorIsLeft&&) = delete;

 private:
  // All of them: one that is left may have a number above those that are free again.
  static ptrdiff_t Count() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  }

  ptrdiff_t before_;
};

// A directory that is gone with the program, in memory where there is such a file system.
class Scratch {
 public:
  Scratch() {
    path_ =
        access("/dev/shm", W_OK) == 0 ? "/dev/shm/libcriu-fuzz-XXXXXX" : "/tmp/libcriu-fuzz-XXXXXX";
    Expect(mkdtemp(path_.data()) != nullptr, "there is a place for files");
  }
  ~Scratch() { rmdir(path_.c_str()); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  Scratch(Scratch&&) = delete;
  Scratch& operator=(Scratch&&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace criu_node::fuzz
