#include "linux/resolve.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <map>
#include <string_view>
#include <utility>

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

// Looks for paths below one root, many of which share the directories above them.
class Resolver {
 public:
  explicit Resolver(UniqueFd root) : root_(std::move(root)), root_path_(PathOf(root_.get())) {}

  // Where one path leads. Parts of it that do not exist are kept aside until one is found that
  // does.
  std::optional<std::string> Resolve(std::string path) {
    // To the kernel a path ends there.
    if (!root_.valid() || path.find('\0') != std::string::npos) return std::nullopt;
    std::string missing;
    for (;;) {
      const Place& place = Look(path);
      if (place.kind == Kind::kNowhere) return std::nullopt;
      if (place.kind == Kind::kThere) {
        const std::string inside = place.inside + missing;
        return inside.empty() ? "/" : inside;
      }
      const std::string_view itself = WithoutSlashes(path);
      missing.insert(0, '/' + LastPart(itself));
      const size_t slash = itself.rfind('/');
      path.resize(slash == std::string::npos ? 0 : slash);
    }
  }

 private:
  enum class Kind {
    kThere,    // it exists below the root
    kMissing,  // only what is above it can exist
    kNowhere,  // it leads out of the root, or to what does not exist
  };

  struct Place {
    Kind kind = Kind::kNowhere;
    std::string inside;
  };

  static std::string_view WithoutSlashes(std::string_view path) {
    while (path.ends_with('/')) path.remove_suffix(1);
    return path;
  }

  static std::string LastPart(std::string_view path) {
    return std::string(path.substr(path.rfind('/') + 1));
  }

  const Place& Look(const std::string& path) {
    const auto known = places_.find(path);
    return known != places_.end() ? known->second : places_.emplace(path, Find(path)).first->second;
  }

  [[nodiscard]] Place Find(const std::string& path) const {
    const UniqueFd found = OpenInRoot(root_, path.empty() ? "/" : path, 0);
    if (found.valid()) {
      const std::string there = PathOf(found.get());
      if (there != root_path_ && !there.starts_with(root_path_ + '/')) return {};
      return {.kind = Kind::kThere, .inside = there.substr(root_path_.size())};
    }
    if (errno != ENOENT || path.empty()) return {};
    const std::string itself(WithoutSlashes(path));
    const std::string part = LastPart(itself);
    // A link to what does not exist still leads there.
    if (part == ".." || part == "." || OpenInRoot(root_, itself, O_NOFOLLOW).valid()) return {};
    return {.kind = Kind::kMissing, .inside = {}};
  }

  UniqueFd root_;
  std::string root_path_;
  std::map<std::string, Place> places_;
};

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
  Resolver resolver(UniqueFd(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)));
  std::vector<std::optional<std::string>> resolved;
  resolved.reserve(paths.size());
  for (const auto& path : paths) resolved.push_back(resolver.Resolve(path));
  return resolved;
}

}  // namespace criu_node
