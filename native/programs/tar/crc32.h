#pragma once

#include <cstdint>
#include <span>

namespace criu_node::tar {

// The checksum of gzip over some bytes, continued from that of what came before; 0 at first.
uint32_t UpdatedCrc(uint32_t crc, std::span<const char> data);

}  // namespace criu_node::tar
