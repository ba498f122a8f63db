#pragma once

namespace criu_node::tar {

// zlib's z_stream. Its layout is part of the interface of libz.so.1, whose functions refuse a
// caller with another size of it. No zlib header is needed to build.
struct ZlibStream {
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

constexpr const char* kZlib = "libz.so.1";
// zlib compares only the first digit.
constexpr const char* kZlibVersion = "1";

// These constants are from zlib.h.
constexpr int kZlibOk = 0;
constexpr int kZlibStreamEnd = 1;
constexpr int kZlibBufferError = -5;  // nothing to do
constexpr int kZlibNoFlush = 0;
constexpr int kZlibFinish = 4;
constexpr int kZlibGzipWindowBits = 15 + 16;

}  // namespace criu_node::tar
