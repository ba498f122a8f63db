#include "programs/tar/gzip_writer.h"

#include <algorithm>
#include <array>
#include <string>

namespace criu_node::tar {

namespace {

// The header of RFC 1952, with no name, no time and no particular system.
constexpr std::string_view kGzipHeader("\x1f\x8b\x08\0\0\0\0\0\0\xff", 10);
constexpr size_t kStoredBlockSize = 65535;

// Row n advances a byte's effect by n further bytes, so that eight bytes take one step.
constexpr auto kCrcTables = [] {
  std::array<std::array<uint32_t, 256>, 8> tables{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xedb88320 : 0);
    tables[0].at(i) = value;
  }
  for (size_t row = 1; row < tables.size(); ++row) {
    for (size_t i = 0; i < 256; ++i) {
      const uint32_t before = tables.at(row - 1).at(i);
      tables.at(row).at(i) = (before >> 8) ^ tables[0].at(before & 0xff);
    }
  }
  return tables;
}();

uint32_t UpdatedCrc(uint32_t crc, std::span<const char> data) {
  crc = ~crc;
  while (data.size() >= kCrcTables.size()) {
    uint32_t next = 0;
    for (size_t i = 0; i < kCrcTables.size(); ++i) {
      const auto byte = static_cast<unsigned char>(data[i]);
      const uint32_t index = i < sizeof(crc) ? (byte ^ (crc >> (8 * i))) & 0xff : byte;
      next ^= kCrcTables[kCrcTables.size() - 1 - i][index];
    }
    crc = next;
    data = data.subspan(kCrcTables.size());
  }
  for (const char c : data) {
    crc = kCrcTables[0][(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ (crc >> 8);
  }
  return ~crc;
}

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
