#pragma once

#include <array>
#include <functional>
#include <memory>
#include <span>

#include "programs/tar/zlib_stream.h"

namespace criu_node::tar {

// The host's zlib, loaded when there is enough to compress to be worth it.
//
// Owner: a GzipWriter. Thread: the program's only one.
class Deflater {
 public:
  using Sink = std::function<void(std::span<const char>)>;

  struct Library {
    int (*init)(ZlibStream*, int level, int method, int window_bits, int memory_level, int strategy,
                const char* version, int stream_size);
    int (*deflate)(ZlibStream*, int flush);
    int (*end)(ZlibStream*);
  };

  // Null where there is no zlib.
  static std::unique_ptr<Deflater> Load();
  explicit Deflater(const Library& library);
  ~Deflater();
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;
  Deflater(Deflater&&) = delete;
  Deflater& operator=(Deflater&&) = delete;

  // The parts make up one gzip file, which the `last` part ends.
  void Compress(std::span<const char> data, bool last, const Sink& sink);

 private:
  bool Start();

  Library library_;
  ZlibStream stream_{};
  std::array<char, 64UL * 1024> output_;
};

}  // namespace criu_node::tar
