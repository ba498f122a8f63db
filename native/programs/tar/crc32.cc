#include "programs/tar/crc32.h"

#include <array>
#include <cstddef>

namespace criu_node::tar {

namespace {

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

}  // namespace

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

}  // namespace criu_node::tar
