#include "linux/fresh_directory.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace criu_node {

namespace {

UniqueFd OpenDirectory(int parent, const char* path, uint64_t flags) {
  open_how how{};
  how.flags = flags | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;
  return UniqueFd(static_cast<int>(syscall(SYS_openat2, parent, path, &how, sizeof(how))));
}

bool WriteFile(int directory, const std::string& name, const std::string& content) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): openat() is what there is
  const UniqueFd file(
      openat(directory, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  return file.valid() &&
         write(file.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size());
}

}  // namespace

UniqueFd MakeFreshDirectory(const FreshDirectory& directory) {
  const std::string& path = directory.path;
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash + 1 == path.size()) return {};
  const UniqueFd parent = OpenDirectory(AT_FDCWD, path.substr(0, slash + 1).c_str(), O_PATH);
  const char* name = path.c_str() + slash + 1;
  if (!parent.valid() || mkdirat(parent.get(), name, 0700) != 0) return {};
  UniqueFd made = OpenDirectory(parent.get(), name, O_RDONLY);
  const auto write = [&](const auto& file) {
    return WriteFile(made.get(), file.first, file.second);
  };
  if (made.valid() && std::ranges::all_of(directory.files, write)) return made;
  for (const auto& [file, content] : directory.files) unlinkat(made.get(), file.c_str(), 0);
  unlinkat(parent.get(), name, AT_REMOVEDIR);
  return {};
}

}  // namespace criu_node
