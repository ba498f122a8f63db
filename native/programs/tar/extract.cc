#include "programs/tar/extract.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <string>
#include <utility>

#include "base/unique_fd.h"
#include "programs/tar/extractor.h"
#include "programs/tar/gzip_reader.h"
#include "programs/tar/invocation.h"
#include "programs/tar/members.h"

namespace criu_node::tar {

namespace {

// Of a larger one the start of GNU tar is a small part of the time.
constexpr size_t kMostUnpacked = 4UL * 1024 * 1024;
constexpr off_t kMostPacked = kMostUnpacked + 1024;

// What the archive on standard input has from here on, which stays where it is.
std::optional<std::string> Input() {
  struct stat status {};
  const off_t start = lseek(STDIN_FILENO, 0, SEEK_CUR);
  if (start < 0 || fstat(STDIN_FILENO, &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size < start || status.st_size - start > kMostPacked) {
    return std::nullopt;
  }
  std::string content(static_cast<size_t>(status.st_size - start), '\0');
  for (size_t read = 0; read < content.size();) {
    const ssize_t length = pread(STDIN_FILENO, content.data() + read, content.size() - read,
                                 start + static_cast<off_t>(read));
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) return std::nullopt;
    read += static_cast<size_t>(length);
  }
  return content;
}

bool Extract(const char* path) {
  const auto file = Input();
  if (!file.has_value()) return false;
  const auto archive = Unpacked(*file, kMostUnpacked);
  if (!archive.has_value()) return false;
  const auto members = PlainMembers(*archive);
  if (!members.has_value()) return false;
  UniqueFd directory(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return false;
  Extractor extractor(std::move(directory));
  return extractor.IsEmpty() && extractor.Extract(*members);
}

}  // namespace

std::optional<int> ExtractIfAsked(std::span<char* const> arguments) {
  const char* directory = DirectoryOfTmpfsRestore(arguments);
  // Nobody else can give files to others.
  if (directory == nullptr || geteuid() != 0) return std::nullopt;
  try {
    if (Extract(directory)) return 0;
  } catch (const std::exception&) {  // GNU tar needs less memory.
  }
  return std::nullopt;
}

}  // namespace criu_node::tar
