#include "programs/tar/gzip_reader.h"

#include <dlfcn.h>

#include <cstdint>
#include <cstring>

#include "programs/tar/crc32.h"
#include "programs/tar/zlib_stream.h"

namespace criu_node::tar {

namespace {

// The header of RFC 1952 without any of its optional parts: magic, method, flags, time, hints,
// system.
constexpr std::string_view kMagic("\x1f\x8b\x08\0", 4);
constexpr size_t kHeadSize = 10;
// The checksum of what was packed, and its size.
constexpr size_t kTailSize = 8;

uint32_t LittleEndian(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) {
    value = value << 8U | static_cast<unsigned char>(bytes[i]);
  }
  return value;
}

// What is in blocks that are stored as they are, as our own tar writes those of a small tmpfs;
// nullopt if another block is among them or something is wrong.
std::optional<std::string> Stored(std::string_view file, size_t size) {
  constexpr size_t kBlockHead = 5;
  std::string content;
  content.reserve(size);
  file.remove_prefix(kHeadSize);
  for (bool is_last = false; !is_last;) {
    if (file.size() < kBlockHead || static_cast<unsigned char>(file[0]) > 1) return std::nullopt;
    is_last = file[0] == 1;
    const size_t length = LittleEndian(file.substr(1, 2));
    if ((LittleEndian(file.substr(3, 2)) ^ length) != 0xffff) return std::nullopt;
    file.remove_prefix(kBlockHead);
    if (length > file.size() || content.size() + length > size) return std::nullopt;
    content += file.substr(0, length);
    file.remove_prefix(length);
  }
  if (file.size() != kTailSize || content.size() != size ||
      LittleEndian(file.substr(0, 4)) != UpdatedCrc(0, content)) {
    return std::nullopt;
  }
  return content;
}

struct Library {
  int (*init)(ZlibStream*, int window_bits, const char* version, int stream_size);
  int (*inflate)(ZlibStream*, int flush);
  int (*end)(ZlibStream*);
};

std::optional<Library> LoadZlib() {
  // Never unloaded: this process ends with its one archive, or becomes another program.
  void* handle = dlopen(kZlib, RTLD_NOW);
  if (handle == nullptr) return std::nullopt;
  const Library library = {
      .init = reinterpret_cast<decltype(Library::init)>(dlsym(handle, "inflateInit2_")),
      .inflate = reinterpret_cast<decltype(Library::inflate)>(dlsym(handle, "inflate")),
      .end = reinterpret_cast<decltype(Library::end)>(dlsym(handle, "inflateEnd")),
  };
  if (library.init == nullptr || library.inflate == nullptr || library.end == nullptr) {
    return std::nullopt;
  }
  return library;
}

// zlib compares the checksum and the size with those of the file.
std::optional<std::string> Inflated(std::string_view file, size_t size) {
  const auto library = LoadZlib();
  ZlibStream stream{};
  if (!library.has_value() ||
      library->init(&stream, kZlibGzipWindowBits, kZlibVersion, sizeof(stream)) != kZlibOk) {
    return std::nullopt;
  }
  std::string content(size, '\0');
  stream.next_in = file.data();
  stream.avail_in = static_cast<unsigned int>(file.size());
  stream.next_out = content.data();
  stream.avail_out = static_cast<unsigned int>(size);
  const int result = library->inflate(&stream, kZlibFinish);
  library->end(&stream);
  if (result != kZlibStreamEnd || stream.avail_in != 0 || stream.avail_out != 0) {
    return std::nullopt;
  }
  return content;
}

}  // namespace

std::optional<std::string> Unpacked(std::string_view file, size_t most) {
  if (file.size() < kHeadSize + kTailSize || !file.starts_with(kMagic)) return std::nullopt;
  // Of a file that consists of several, this is the size of the last one, which is found out below.
  const size_t size = LittleEndian(file.substr(file.size() - 4));
  if (size > most) return std::nullopt;
  auto stored = Stored(file, size);
  return stored.has_value() ? std::move(stored) : Inflated(file, size);
}

}  // namespace criu_node::tar
