#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace criu_node::tar {

// Collects what it is given, and hands it on in large parts.
//
// Owner: the program. Thread: its only one.
class Writer {
 public:
  explicit Writer(int fd) : fd_(fd) {}
  virtual ~Writer() = default;
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  Writer(Writer&&) = delete;
  Writer& operator=(Writer&&) = delete;

  // Where the next bytes may be put, at least one, and how many of them were put there.
  [[nodiscard]] std::span<char> Room();
  void Advance(size_t length);

  void Write(std::string_view bytes);
  void WriteZeros(uint64_t length);
  // The length of all that was written so far.
  [[nodiscard]] uint64_t size() const { return size_; }

  // Writes the end, without which the file is not whole.
  void Finish() { Flush(true); }

 protected:
  // Writes to the descriptor as it is.
  void Output(std::span<const char> data) const;

 private:
  // Takes all that was collected; `last` when nothing follows.
  virtual void Drain(std::span<const char> data, bool last) = 0;
  void Flush(bool last);

  using Buffer = std::array<char, 128UL * 1024>;

  int fd_;
  uint64_t size_ = 0;
  size_t used_ = 0;
  // It is not value-initialised: an empty tmpfs touches three of its pages.
  std::unique_ptr<Buffer> buffer_{new Buffer};
};

// Writes what it is given as it is.
class PlainWriter : public Writer {
 public:
  using Writer::Writer;

 private:
  void Drain(std::span<const char> data, bool /*last*/) override { Output(data); }
};

}  // namespace criu_node::tar
