#include "criu/images.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

#include "base/directory_entries.h"
#include "base/failure.h"
#include "base/unique_fd.h"

namespace criu_node {

namespace {

constexpr const char* kInventory = "inventory.img";
constexpr const char* kCgroupImage = "cgroup.img";
// A property of the image: a name (field 1) and a value (field 2), both strings. The words for the
// value are equally long, so nothing else in the image moves.
constexpr std::string_view kFrozen =
    "\x0a\x0d"
    "freezer.state\x12\x06"
    "FROZEN";
constexpr std::string_view kThawed =
    "\x0a\x0d"
    "freezer.state\x12\x06"
    "THAWED";
static_assert(kFrozen.size() == kThawed.size());

UniqueFd OpenAt(int directory, const char* name, int flags) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): openat() is what there is
  return UniqueFd(openat(directory, name, flags | O_CLOEXEC | O_NOFOLLOW));
}

}  // namespace

std::string ReadFileAt(int directory, const char* name) {
  const UniqueFd file = OpenAt(directory, name, O_RDONLY);
  struct stat info {};
  if (!file.valid() || fstat(file.get(), &info) != 0) return {};
  std::string content(static_cast<size_t>(info.st_size), '\0');
  const ssize_t length = pread(file.get(), content.data(), content.size(), 0);
  content.resize(length > 0 ? static_cast<size_t>(length) : 0);
  return content;
}

bool HasInventory(int images_directory) {
  struct stat info {};
  return fstatat(images_directory, kInventory, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(info.st_mode) && info.st_size > 0;
}

ImagesSize SizeOfImages(int images_directory) {
  ImagesSize size;
  ForEachEntry("/proc/self/fd/" + std::to_string(images_directory), [&](const auto& entry) {
    // By its path below /proc each file would take twice as long.
    const std::string name = entry.path().filename();
    struct stat info {};
    if (fstatat(images_directory, name.c_str(), &info, AT_SYMLINK_NOFOLLOW) != 0) return true;
    if (!S_ISREG(info.st_mode)) return true;
    size.bytes += info.st_size;
    ++size.files;
    return true;
  });
  return size;
}

void ThawCgroupImage(int images_directory) {
  const std::string image = ReadFileAt(images_directory, kCgroupImage);
  UniqueFd file;
  for (size_t at = image.find(kFrozen); at != image.npos; at = image.find(kFrozen, at + 1)) {
    if (!file.valid()) file = OpenAt(images_directory, kCgroupImage, O_WRONLY);
    if (pwrite(file.get(), kThawed.data(), kThawed.size(), static_cast<off_t>(at)) !=
        static_cast<ssize_t>(kThawed.size())) {
      throw Failure::System("images", "cannot write cgroup.img");
    }
  }
}

}  // namespace criu_node
