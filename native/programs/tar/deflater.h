#pragma once

#include <array>
#include <functional>
#include <memory>
#include <span>

namespace criu_node::tar {

// The host's zlib, loaded when there is enough to compress to be worth it. No zlib header is
// needed to build.
//
// Owner: a GzipWriter. Thread: the program's only one.
class Deflater {
 public:
  using Sink = std::function<void(std::span<const char>)>;

  // zlib's z_stream. Its layout is part of the interface of libz.so.1, and deflateInit2_ refuses
  // a caller whose size of it differs.
  struct Stream {
    const char* next_in;
    unsigned int avail_in;
    unsigned long total_in;
    char* next_out;
    unsigned int avail_out;
    unsigned long total_out;
    const char* message;
    void* state;
    void* (*allocate)(void*, unsigned int, unsigned int);
    void (*release)(void*, void*);
    void* opaque;
    int data_type;
    unsigned long adler;
    unsigned long reserved;
  };
  struct Library {
    int (*init)(Stream*, int level, int method, int window_bits, int memory_level, int strategy,
                const char* version, int stream_size);
    int (*deflate)(Stream*, int flush);
    int (*end)(Stream*);
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
  Stream stream_{};
  std::array<char, 64UL * 1024> output_;
};

}  // namespace criu_node::tar
