// A gzip file: what we unpack of it has to be what zlib does, and to end where the file ends.
#include <dlfcn.h>

#include <string>
#include <string_view>

#include "fuzz.h"
#include "programs/tar/gzip_reader.h"
#include "programs/tar/zlib_stream.h"

namespace {

using criu_node::fuzz::Expect;
namespace tar = criu_node::tar;

constexpr size_t kMost = 1UL << 20U;

// By a buffer that is larger than what may be unpacked.
std::string UnpackedByZlib(std::string_view file) {
  static void* const library = dlopen(tar::kZlib, RTLD_NOW);
  Expect(library != nullptr, "there is a zlib");
  const auto init = reinterpret_cast<int (*)(tar::ZlibStream*, int, const char*, int)>(
      dlsym(library, "inflateInit2_"));
  const auto inflate = reinterpret_cast<int (*)(tar::ZlibStream*, int)>(dlsym(library, "inflate"));
  const auto end = reinterpret_cast<int (*)(tar::ZlibStream*)>(dlsym(library, "inflateEnd"));
  tar::ZlibStream stream{};
  Expect(init(&stream, tar::kZlibGzipWindowBits, tar::kZlibVersion, sizeof(stream)) == tar::kZlibOk,
         "zlib starts");
  std::string content(kMost + 1, '\0');
  stream.next_in = file.data();
  stream.avail_in = static_cast<unsigned int>(file.size());
  stream.next_out = content.data();
  stream.avail_out = static_cast<unsigned int>(content.size());
  const int result = inflate(&stream, tar::kZlibNoFlush);
  end(&stream);
  Expect(result == tar::kZlibStreamEnd && stream.avail_in == 0, "it is a whole file");
  content.resize(content.size() - stream.avail_out);
  return content;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  const auto content = tar::Unpacked(file, kMost);
  if (!content.has_value()) return 0;
  Expect(content->size() <= kMost, "it is not above the limit");
  Expect(*content == UnpackedByZlib(file), "it is what zlib makes of it");
  return 0;
}
