#include "linux/fresh_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "base/failure.h"
#include "linux/lock.h"

namespace criu_node {

namespace {

constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kFileMode = 0600;

UniqueFd Open(int parent, const char* name, int flags) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): openat() is what there is
  return UniqueFd(openat(parent, name, flags | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

// Whether nobody but root and we can take away or swap an entry of ours in this directory.
bool IsTrusted(int directory) {
  struct stat info {};
  if (fstat(directory, &info) != 0) return false;
  if (info.st_uid != 0 && info.st_uid != geteuid()) return false;
  const bool others_write = (info.st_mode & (S_IWGRP | S_IWOTH)) != 0;
  return !others_write || (info.st_mode & S_ISVTX) != 0;
}

// Opens a directory by an absolute path, each part of it below the descriptor of the one before.
// Invalid when there is a symbolic link on the way, or a directory that another user may change.
UniqueFd OpenTrusted(std::string_view path) {
  UniqueFd at = Open(AT_FDCWD, "/", O_PATH);
  while (at.valid() && IsTrusted(at.get())) {
    path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
    if (path.empty()) return at;
    const std::string name(path.substr(0, path.find('/')));
    path.remove_prefix(name.size());
    if (name == "..") return {};
    at = Open(at.get(), name.c_str(), O_PATH);
  }
  return {};
}

bool WriteFile(int directory, const std::string& name, const std::string& content) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): openat() is what there is
  const UniqueFd file(openat(directory, name.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, kFileMode));
  if (!file.valid()) return false;
  // The umask may have taken away what we need ourselves.
  if (fchmod(file.get(), kFileMode) == 0 &&
      write(file.get(), content.data(), content.size()) == static_cast<ssize_t>(content.size())) {
    return true;
  }
  unlinkat(directory, name.c_str(), 0);
  return false;
}

// A stream of readdir() would take a descriptor of its own, and 32 KiB.
bool IsEmpty(int directory) {
  alignas(dirent) std::array<char, 1024> entries{};
  for (;;) {
    const auto length = syscall(SYS_getdents64, directory, entries.data(), entries.size());
    if (length <= 0) return length == 0;
    for (size_t at = 0; at < static_cast<size_t>(length);) {
      const auto* entry = reinterpret_cast<const dirent*>(entries.data() + at);
      const std::string_view name(static_cast<const char*>(entry->d_name));
      if (name != "." && name != "..") return false;
      at += entry->d_reclen;
    }
  }
}

// The C library's struct is the one that the kernel fills.
static_assert(sizeof(dirent::d_ino) == 8 && sizeof(dirent::d_off) == 8);

// Makes the directory's lock and mode ours. Between mkdir() and the lock another operation may have
// found the directory, and have written to it.
bool TakeOver(int made) {
  try {
    return TryLock(made, LockMode::kExclusive) && IsEmpty(made) &&
           fchmod(made, kDirectoryMode) == 0;
  } catch (const Failure&) {
    return false;
  }
}

}  // namespace

UniqueFd MakeFreshDirectory(const FreshDirectory& directory) {
  const std::string& path = directory.path;
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash + 1 == path.size()) return {};
  const UniqueFd parent = OpenTrusted(std::string_view(path).substr(0, slash + 1));
  const char* name = path.c_str() + slash + 1;
  if (!parent.valid() || mkdirat(parent.get(), name, kDirectoryMode) != 0) return {};
  UniqueFd made = Open(parent.get(), name, O_RDONLY);
  if (!made.valid() || !TakeOver(made.get())) return {};
  size_t written = 0;
  for (const auto& [file, content] : directory.files) {
    if (!WriteFile(made.get(), file, content)) break;
    ++written;
  }
  if (written == directory.files.size()) return made;
  while (written > 0) unlinkat(made.get(), directory.files[--written].first.c_str(), 0);
  unlinkat(parent.get(), name, AT_REMOVEDIR);
  return {};
}

void WriteNotes(const FreshDirectory& directory, int made) noexcept {
  for (const auto& [name, content] : directory.notes) WriteFile(made, name, content);
}

}  // namespace criu_node
