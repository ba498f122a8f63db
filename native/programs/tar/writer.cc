#include "programs/tar/writer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/failure.h"

namespace criu_node::tar {

std::span<char> Writer::Room() {
  if (used_ == buffer_->size()) Flush(false);
  return std::span(*buffer_).subspan(used_);
}

void Writer::Advance(size_t length) {
  used_ += length;
  size_ += length;
}

void Writer::Write(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::span<char> room = Room();
    const size_t length = std::min(room.size(), bytes.size());
    std::ranges::copy(bytes.substr(0, length), room.begin());
    Advance(length);
    bytes.remove_prefix(length);
  }
}

void Writer::WriteZeros(uint64_t length) {
  while (length > 0) {
    const std::span<char> room = Room();
    const size_t part = std::min<uint64_t>(room.size(), length);
    std::ranges::fill(room.first(part), '\0');
    Advance(part);
    length -= part;
  }
}

void Writer::Flush(bool last) {
  Drain(std::span<const char>(*buffer_).first(used_), last);
  used_ = 0;
}

void Writer::Output(std::span<const char> data) const {
  while (!data.empty()) {
    const ssize_t written = write(fd_, data.data(), data.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw Failure::System("write", "Cannot write");
    data = data.subspan(static_cast<size_t>(written));
  }
}

}  // namespace criu_node::tar
