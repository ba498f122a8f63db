#include "linux/resolve.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>

#include "base/system_calls.h"
#include "base/unique_fd.h"

namespace criu_node {

namespace {

UniqueFd OpenInRoot(const UniqueFd& root, const std::string& path, uint64_t flags) {
  open_how how{};
  how.flags = O_PATH | O_CLOEXEC | flags;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  return UniqueFd(
      static_cast<int>(syscall(SYS_openat2, root.get(), path.c_str(), &how, sizeof(how))));
}

// Where one path leads. Parts of it that do not exist are kept aside until one is found that does.
std::optional<std::string> Resolve(const UniqueFd& root, const std::string& root_path,
                                   std::string path) {
  // To the kernel a path ends there.
  if (path.find('\0') != std::string::npos) return std::nullopt;
  std::string missing;
  for (;;) {
    const UniqueFd found = OpenInRoot(root, path.empty() ? "/" : path, 0);
    if (found.valid()) {
      const std::string there = PathOf(found.get());
      if (there != root_path && !there.starts_with(root_path + '/')) return std::nullopt;
      const std::string inside = there.substr(root_path.size()) + missing;
      return inside.empty() ? "/" : inside;
    }
    if (errno != ENOENT || path.empty()) return std::nullopt;
    while (path.ends_with('/')) path.pop_back();
    const size_t slash = path.rfind('/');
    const std::string part = slash == std::string::npos ? path : path.substr(slash + 1);
    // A link to what does not exist still leads there.
    if (part == ".." || part == "." || OpenInRoot(root, path, O_NOFOLLOW).valid()) {
      return std::nullopt;
    }
    missing.insert(0, '/' + part);
    path.resize(slash == std::string::npos ? 0 : slash);
  }
}

}  // namespace

std::string PathOf(int fd) {
  std::array<char, PATH_MAX> path;  // NOLINT(cppcoreguidelines-pro-type-member-init): it is filled
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = readlink(link.c_str(), path.data(), path.size());
  return length > 0 ? std::string(path.data(), static_cast<size_t>(length)) : std::string();
}

std::vector<std::optional<std::string>> ResolveInRoot(const std::string& root,
                                                      const std::vector<std::string>& paths) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): open() is what there is
  const UniqueFd directory(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const std::string root_path = PathOf(directory.get());
  std::vector<std::optional<std::string>> resolved;
  resolved.reserve(paths.size());
  for (const auto& path : paths) {
    resolved.push_back(directory.valid() ? Resolve(directory, root_path, path) : std::nullopt);
  }
  return resolved;
}

}  // namespace criu_node
