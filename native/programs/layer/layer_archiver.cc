#include "programs/layer/layer_archiver.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>
#include <unordered_set>

#include "base/failure.h"

namespace criu_node::layer {

namespace {

constexpr int kDirectoryFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr int kFileFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

std::optional<std::string> Attribute(int fd, const std::string& name) {
  const ssize_t size = fgetxattr(fd, name.c_str(), nullptr, 0);
  if (size < 0) return std::nullopt;
  std::string value(static_cast<size_t>(size), '\0');
  const ssize_t length = fgetxattr(fd, name.c_str(), value.data(), value.size());
  if (length < 0) return std::nullopt;
  value.resize(static_cast<size_t>(length));
  return value;
}

std::vector<std::string> AttributeNames(int fd) {
  const ssize_t size = flistxattr(fd, nullptr, 0);
  if (size <= 0) return {};
  std::string list(static_cast<size_t>(size), '\0');
  const ssize_t length = flistxattr(fd, list.data(), list.size());
  if (length <= 0) return {};
  std::vector<std::string> names;
  std::string_view rest(list.data(), static_cast<size_t>(length));
  while (!rest.empty()) {
    const std::string_view name = rest.substr(0, rest.find('\0'));
    names.emplace_back(name);
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
  }
  return names;
}

// Those that go with a file from one machine to another; a label belongs to the machine's own
// policy. What a container has called as overlayfs calls its own could mean something to the
// overlay that it is unpacked into.
bool IsKept(std::string_view name) {
  if (name.starts_with("user.overlay.") || name.find('=') != std::string_view::npos) return false;
  return name.starts_with("user.") || name == "security.capability" ||
         name.starts_with("system.posix_acl_");
}

// `LENGTH KEY=VALUE\n`, where the length counts its own digits.
std::string Record(std::string_view key, std::string_view value) {
  const size_t rest = key.size() + value.size() + 3;
  size_t length = rest + 1;
  while (rest + std::to_string(length).size() != length) ++length;
  std::string record = std::to_string(length);
  record.append(" ").append(key).append("=").append(value).append("\n");
  return record;
}

// Opens what lies at a path below a directory, on its file system and without following a link.
UniqueFd OpenBelow(const UniqueFd& top, std::string_view path, int flags) {
  struct stat of_top {};
  if (fstat(top.get(), &of_top) != 0) return {};
  UniqueFd at(openat(top.get(), ".", kDirectoryFlags));
  while (at.valid() && !path.empty()) {
    const size_t slash = path.find('/');
    const std::string name(path.substr(0, slash));
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    at.Reset(openat(at.get(), name.c_str(), path.empty() ? flags : kDirectoryFlags));
    struct stat status {};
    if (at.valid() && (fstat(at.get(), &status) != 0 ||
                       (S_ISDIR(status.st_mode) && status.st_dev != of_top.st_dev))) {
      at.Reset();
    }
  }
  return at;
}

}  // namespace

std::string_view TreeArchiver::NameOf(std::string_view path) const {
  constexpr std::string_view kTop = "./";
  return path.size() > kTop.size() && path.starts_with(kTop) ? path.substr(kTop.size()) : path;
}

std::string TreeArchiver::ExtendedRecords(int fd) {
  std::string records;
  for (const std::string& name : AttributeNames(fd)) {
    if (!IsKept(name)) continue;
    const auto value = Attribute(fd, name);
    if (value.has_value()) records += Record("SCHILY.xattr." + name, *value);
  }
  return records;
}

std::optional<std::string> LayerArchiver::OwnAttribute(int fd, std::string_view name) const {
  return Attribute(fd, overlay_.own_attributes + std::string(name));
}

bool LayerArchiver::IsElsewhere(const struct stat& above, const struct stat& status) const {
  struct stat merged {};
  if (fstat(overlay_.merged.get(), &merged) != 0) return true;
  return status.st_dev != above.st_dev && status.st_dev != merged.st_dev;
}

// overlayfs keeps the name of what was removed, as a device that there is not.
bool LayerArchiver::SkipsDevice(const struct stat& status) {
  if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(0, 0)) return false;
  Remove(NameOf(path()));
  return true;
}

// The upper directory has no more than the name of what was moved, and no more than the owner and
// mode of some files: what belongs to it is read where all is put together.
UniqueFd LayerArchiver::Replaced(UniqueFd fd) {
  const bool is_moved = OwnAttribute(fd.get(), "redirect").has_value();
  const bool is_empty = OwnAttribute(fd.get(), "metacopy").has_value();
  if (!is_moved && !is_empty) return fd;
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) throw Failure::System("read", "Cannot stat");
  const bool is_directory = S_ISDIR(status.st_mode);
  UniqueFd whole =
      OpenBelow(overlay_.merged, NameOf(path()), is_directory ? kDirectoryFlags : kFileFlags);
  if (!whole.valid())
    throw Failure::System("read", "Cannot open what the overlay has in " + path());
  is_moved_ = is_directory;
  return whole;
}

void LayerArchiver::Entered(int fd, const std::vector<std::string>& names) {
  const bool was_moved = std::exchange(is_moved_, false);
  const auto opaque = OwnAttribute(fd, "opaque");
  const bool hides = (!hides_.empty() && hides_.back()) || was_moved || opaque == "y";
  hides_.push_back(hides);
  if (hides) RemoveAllBut(names);
}

void LayerArchiver::Remove(std::string_view path) {
  removed_->Write("/");
  removed_->Write(path);
  removed_->Write(std::string_view("\0", 1));
}

// The directory replaces one of the same name, and whoever unpacks the archive over that would keep
// what this one does not have.
void LayerArchiver::RemoveAllBut(const std::vector<std::string>& names) {
  std::unordered_set<std::string> known(names.begin(), names.end());
  const std::string_view path = NameOf(this->path());
  const std::string here(path == "./" ? "" : path);
  for (const UniqueFd& lower : overlay_.lower) {
    UniqueFd directory =
        OpenBelow(lower, here.empty() ? here : here.substr(0, here.size() - 1), kDirectoryFlags);
    if (!directory.valid()) continue;
    const std::unique_ptr<DIR, int (*)(DIR*)> list(fdopendir(directory.get()), closedir);
    if (list == nullptr) throw Failure::System("read", "Cannot read a directory of the image");
    directory.Release();
    // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
    while (const dirent* entry = readdir(list.get())) {
      const std::string name(&entry->d_name[0]);
      if (name == "." || name == ".." || !known.insert(name).second) continue;
      Remove(here + name);
    }
  }
}

}  // namespace criu_node::layer
