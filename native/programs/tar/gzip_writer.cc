#include "programs/tar/gzip_writer.h"

#include <algorithm>
#include <string>

#include "programs/tar/crc32.h"

namespace criu_node::tar {

namespace {

// The header of RFC 1952, with no name, no time and no particular system.
constexpr std::string_view kGzipHeader("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
constexpr size_t kStoredBlockSize = 65535;

std::string LittleEndian(uint64_t value, size_t size) {
  std::string bytes;
  for (size_t i = 0; i < size; ++i) bytes += static_cast<char>((value >> (8 * i)) & 0xff);
  return bytes;
}

}  // namespace

void GzipWriter::Drain(std::span<const char> data, bool last) {
  if (!started_ && !last) deflater_ = Deflater::Load();
  if (deflater_ != nullptr) {
    deflater_->Compress(data, last, [this](std::span<const char> part) { Output(part); });
  } else {
    Store(data, last);
  }
  started_ = true;
}

void GzipWriter::Store(std::span<const char> data, bool last) {
  crc_ = UpdatedCrc(crc_, data);
  std::string head(started_ ? "" : kGzipHeader);
  do {
    const std::span<const char> part = data.first(std::min(data.size(), kStoredBlockSize));
    data = data.subspan(part.size());
    head += last && data.empty() ? '\1' : '\0';
    head += LittleEndian(part.size(), 2);
    head += LittleEndian(~part.size(), 2);
    Output(head);
    Output(part);
    head.clear();
  } while (!data.empty());
  if (last) Output(LittleEndian(crc_, 4) + LittleEndian(size(), 4));
}

}  // namespace criu_node::tar
