#include "programs/tar/deflater.h"

#include <dlfcn.h>

#include "base/failure.h"

namespace criu_node::tar {

namespace {

// These constants are from zlib.h.
constexpr int kDeflated = 8;
constexpr int kDefaultStrategy = 0;
constexpr int kDefaultMemoryLevel = 8;

// The application is stopped while we compress, and higher levels take several times as long.
constexpr int kLevel = 1;

}  // namespace

std::unique_ptr<Deflater> Deflater::Load() {
  // Never unloaded: this process ends with its one archive.
  void* handle = dlopen(kZlib, RTLD_NOW);
  if (handle == nullptr) return nullptr;
  const Library library = {
      .init = reinterpret_cast<decltype(Library::init)>(dlsym(handle, "deflateInit2_")),
      .deflate = reinterpret_cast<decltype(Library::deflate)>(dlsym(handle, "deflate")),
      .end = reinterpret_cast<decltype(Library::end)>(dlsym(handle, "deflateEnd")),
  };
  if (library.init == nullptr || library.deflate == nullptr || library.end == nullptr) {
    return nullptr;
  }
  auto deflater = std::make_unique<Deflater>(library);
  return deflater->Start() ? std::move(deflater) : nullptr;
}

Deflater::Deflater(const Library& library) : library_(library) {}

bool Deflater::Start() {
  return library_.init(&stream_, kLevel, kDeflated, kZlibGzipWindowBits, kDefaultMemoryLevel,
                       kDefaultStrategy, kZlibVersion, sizeof(stream_)) == kZlibOk;
}

Deflater::~Deflater() { library_.end(&stream_); }

void Deflater::Compress(std::span<const char> data, bool last, const Sink& sink) {
  stream_.next_in = data.data();
  stream_.avail_in = static_cast<unsigned int>(data.size());
  for (;;) {
    stream_.next_out = output_.data();
    stream_.avail_out = output_.size();
    const int result = library_.deflate(&stream_, last ? kZlibFinish : kZlibNoFlush);
    if (result < 0 && result != kZlibBufferError) {
      throw Failure("compress", 0, "Cannot compress");
    }
    sink(std::span(output_).first(output_.size() - stream_.avail_out));
    if (last ? result == kZlibStreamEnd : stream_.avail_out > 0) return;
  }
}

}  // namespace criu_node::tar
