#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "programs/tar/deflater.h"
#include "programs/tar/writer.h"

namespace criu_node::tar {

// Writes what it is given to a descriptor as one gzip file. What fits its buffer, as most
// tmpfs of a container do, is stored as it is, which costs less time than to load a compressor;
// so is everything where the host has no zlib. The rest is compressed.
//
// Owner: the program. Thread: its only one.
class GzipWriter : public Writer {
 public:
  using Writer::Writer;

 private:
  void Drain(std::span<const char> data, bool last) override;
  void Store(std::span<const char> data, bool last);

  bool started_ = false;
  uint32_t crc_ = 0;
  std::unique_ptr<Deflater> deflater_;
};

}  // namespace criu_node::tar
