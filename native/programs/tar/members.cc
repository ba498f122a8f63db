#include "programs/tar/members.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <climits>
#include <cstring>
#include <limits>
#include <map>
#include <span>
#include <utility>

#include "programs/tar/header.h"

namespace criu_node::tar {

namespace {

constexpr std::string_view kMagic("ustar  \0", 8);

bool IsZero(std::span<const char> bytes) {
  return std::ranges::all_of(bytes, [](char byte) { return byte == '\0'; });
}

// The text of a field, which ends at its first NUL or has none.
std::string_view TextOf(std::span<const char> field) {
  const std::string_view text(field.data(), field.size());
  return text.substr(0, text.find('\0'));
}

// A number as GNU tar writes it: octal digits and a NUL, or a two's complement of which the first
// byte is no digit.
std::optional<int64_t> NumberOf(std::span<const char> field) {
  const auto first = static_cast<unsigned char>(field.front());
  if (first == 0x80 || first == 0xff) {
    int64_t value = first == 0xff ? -1 : 0;
    for (const char c : field.subspan(1)) {
      if (value > (std::numeric_limits<int64_t>::max() >> 8) ||
          value < (std::numeric_limits<int64_t>::min() >> 8)) {
        return std::nullopt;
      }
      value =
          static_cast<int64_t>(static_cast<uint64_t>(value) << 8U) | static_cast<unsigned char>(c);
    }
    return value;
  }
  if (field.back() != '\0') return std::nullopt;
  int64_t value = 0;
  for (const char c : field.first(field.size() - 1)) {
    if (c < '0' || c > '7') return std::nullopt;
    value = value * 8 + (c - '0');
  }
  return value;
}

std::optional<int64_t> NumberWithin(std::span<const char> field, int64_t most) {
  const auto value = NumberOf(field);
  return value.has_value() && *value >= 0 && *value <= most ? value : std::nullopt;
}

// The path below the directory, for which GNU tar has written `./`; nullopt for one that leads
// elsewhere or that can be written in another way.
std::optional<std::string> PathBelow(std::string_view name) {
  if (!name.starts_with("./") || name.size() >= PATH_MAX) return std::nullopt;
  std::string path(name.substr(2));
  for (std::string_view rest = path; !path.empty();) {
    const size_t end = rest.find('/');
    const std::string_view part = rest.substr(0, end);
    if (part.empty() || part == "." || part == ".." || part.size() > NAME_MAX) return std::nullopt;
    if (end == std::string_view::npos) break;
    rest.remove_prefix(end + 1);
  }
  return path;
}

class Reader {
 public:
  explicit Reader(std::string_view archive) : rest_(archive) {}

  // Whether all of the archive is plain.
  bool Read() {
    while (rest_.size() >= kBlockSize) {
      const std::string_view block = rest_.substr(0, kBlockSize);
      if (IsZero(block)) return EndsHere();
      if (!ReadEntry(block)) return false;
    }
    return false;
  }

  std::vector<Member> Take() && { return std::move(members_); }

 private:
  // Two blocks of zeros, and nothing else up to the end of the last record.
  [[nodiscard]] bool EndsHere() const {
    return rest_.size() >= 2 * kBlockSize && IsZero(rest_) && name_.empty() && target_.empty();
  }

  bool ReadEntry(std::string_view block) {
    Header header(kRegular, {}, {});
    std::memcpy(&header, block.data(), sizeof(header));
    if (!IsPlain(header)) return false;
    const auto size = NumberWithin(header.size, static_cast<int64_t>(rest_.size()));
    if (!size.has_value()) return false;
    const auto length = static_cast<size_t>(*size);
    const size_t padded = (length + kBlockSize - 1) / kBlockSize * kBlockSize;
    rest_.remove_prefix(kBlockSize);
    if (padded > rest_.size()) return false;
    const std::string_view content = rest_.substr(0, length);
    rest_.remove_prefix(padded);
    if (header.type == kLongName) return ReadLongText(content, &name_);
    if (header.type == kLongLinkTarget) return ReadLongText(content, &target_);
    return AddMember(header, content);
  }

  // GNU's format, with a right sum, and with nothing in the fields that are for other options.
  static bool IsPlain(const Header& header) {
    Header summed = header;
    summed.SetChecksum();
    return TextOf(header.checksum) == TextOf(summed.checksum) &&
           std::string_view(header.magic.data(), header.magic.size()) == kMagic &&
           IsZero(header.owner_names) && IsZero(header.unused) &&
           IsZero({reinterpret_cast<const char*>(header.sparse.data()), sizeof(header.sparse)}) &&
           header.sparse_continues == '\0' && IsZero(header.real_size) && IsZero(header.padding);
  }

  // What is too long for the header that follows.
  static bool ReadLongText(std::string_view content, std::string* text) {
    if (!text->empty() || content.size() < 2 || content.back() != '\0') return false;
    content.remove_suffix(1);
    *text = content;
    return content.find('\0') == std::string_view::npos;
  }

  bool AddMember(const Header& header, std::string_view content) {
    const std::string_view name = name_.empty() ? TextOf(header.name) : name_;
    const std::string_view target = target_.empty() ? TextOf(header.link_target) : target_;
    Member member;
    member.type = header.type;
    member.content = content;
    if (!SetPath(name, &member) || !SetStatus(header, &member) || !SetTarget(target, &member) ||
        !IsForType(member)) {
      return false;
    }
    name_.clear();
    target_.clear();
    types_.emplace(member.path, member.type);
    members_.push_back(std::move(member));
    return true;
  }

  bool SetPath(std::string_view name, Member* member) {
    const bool is_directory = member->type == kDirectory;
    if (name.ends_with('/') != is_directory) return false;
    // What is left of the directory's own name is its slash.
    auto path =
        PathBelow(name == "./" ? name : name.substr(0, name.size() - (is_directory ? 1 : 0)));
    if (!path.has_value() || types_.contains(*path)) return false;
    if (path->empty()) {
      if (!is_directory) return false;
    } else {
      const size_t slash = path->rfind('/');
      const auto parent = types_.find(slash == std::string::npos ? "" : path->substr(0, slash));
      if (parent == types_.end() || parent->second != kDirectory) return false;
    }
    member->path = std::move(*path);
    return true;
  }

  static bool SetStatus(const Header& header, Member* member) {
    constexpr int64_t kMostId = std::numeric_limits<uint32_t>::max() - int64_t{1};
    const auto mode = NumberWithin(header.mode, 07777);
    const auto owner = NumberWithin(header.uid, kMostId);
    const auto group = NumberWithin(header.gid, kMostId);
    const auto time = NumberOf(header.mtime);
    if (!mode.has_value() || !owner.has_value() || !group.has_value() || !time.has_value()) {
      return false;
    }
    member->mode = static_cast<mode_t>(*mode);
    member->owner = static_cast<uid_t>(*owner);
    member->group = static_cast<gid_t>(*group);
    member->time = *time;
    if (member->type != kCharacterDevice && member->type != kBlockDevice) return true;
    const auto major = NumberWithin(header.device_major, 0xfff);
    const auto minor = NumberWithin(header.device_minor, 0xfffff);
    if (!major.has_value() || !minor.has_value()) return false;
    member->device = makedev(static_cast<unsigned>(*major), static_cast<unsigned>(*minor));
    return true;
  }

  bool SetTarget(std::string_view target, Member* member) {
    if (member->type == kSymbolicLink) {
      member->target = target;
      return !target.empty() && target.size() < PATH_MAX;
    }
    if (member->type != kHardLink) return target.empty();
    auto path = PathBelow(target);
    if (!path.has_value()) return false;
    const auto first = types_.find(*path);
    member->target = std::move(*path);
    return first != types_.end() && first->second != kDirectory;
  }

  static bool IsForType(const Member& member) {
    constexpr std::array<char, 6> kWithoutContent = {kHardLink,    kSymbolicLink, kCharacterDevice,
                                                     kBlockDevice, kDirectory,    kFifo};
    return member.type == kRegular ||
           (std::ranges::find(kWithoutContent, member.type) != kWithoutContent.end() &&
            member.content.empty());
  }

  std::string_view rest_;
  // From the entries before a header.
  std::string name_;
  std::string target_;
  std::map<std::string, char, std::less<>> types_;
  std::vector<Member> members_;
};

}  // namespace

std::optional<std::vector<Member>> PlainMembers(std::string_view archive) {
  Reader reader(archive);
  if (!reader.Read()) return std::nullopt;
  return std::move(reader).Take();
}

}  // namespace criu_node::tar
