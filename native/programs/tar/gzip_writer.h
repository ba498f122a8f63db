#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "programs/tar/deflater.h"

namespace criu_node::tar {

// Writes what it is given to a descriptor as one gzip file. What fits its buffer, as most
// tmpfs of a container do, is stored as it is, which costs less time than to load a compressor;
// so is everything where the host has no zlib. The rest is compressed.
//
// Owner: the program. Thread: its only one.
class GzipWriter {
 public:
  explicit GzipWriter(int fd) : fd_(fd) {}

  // Where the next bytes may be put, at least one, and how many of them were put there.
  [[nodiscard]] std::span<char> Room();
  void Advance(size_t length);

  void Write(std::string_view bytes);
  void WriteZeros(uint64_t length);
  // The length of all that was written so far.
  [[nodiscard]] uint64_t size() const { return size_; }

  // Writes the end, without which the file is not whole.
  void Finish();

 private:
  void Drain(bool last);
  void Store(std::span<const char> data, bool last);
  void Output(std::span<const char> data) const;

  using Buffer = std::array<char, 128UL * 1024>;

  int fd_;
  uint64_t size_ = 0;
  size_t used_ = 0;
  // It is not value-initialised: an empty tmpfs touches three of its pages.
  std::unique_ptr<Buffer> buffer_ = std::make_unique_for_overwrite<Buffer>();
  bool started_ = false;
  uint32_t crc_ = 0;
  std::unique_ptr<Deflater> deflater_;
};

}  // namespace criu_node::tar
