#include "programs/tar/extractor.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <iterator>

#include "programs/tar/header.h"

namespace criu_node::tar {

namespace {

// What a file is made with; its own permissions follow when it has its owner.
constexpr mode_t kPrivateFile = 0600;
constexpr mode_t kPrivateDirectory = 0700;

// A path for the calls that take one below a directory.
const char* Below(const std::string& path) { return path.empty() ? "." : path.c_str(); }

std::array<timespec, 2> TimesOf(const Member& member) {
  return {{{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = member.time, .tv_nsec = 0}}};
}

bool WriteAll(int file, std::string_view content) {
  while (!content.empty()) {
    const ssize_t length = write(file, content.data(), content.size());
    if (length < 0 && errno == EINTR) continue;
    if (length <= 0) return false;
    content.remove_prefix(static_cast<size_t>(length));
  }
  return true;
}

}  // namespace

bool Extractor::IsEmpty() const {
  // `.` and `..` are two records of 24 bytes.
  std::array<char, 64> buffer;
  return syscall(SYS_getdents64, directory_.get(), buffer.data(), buffer.size()) == 48 &&
         syscall(SYS_getdents64, directory_.get(), buffer.data(), buffer.size()) == 0;
}

bool Extractor::Extract(const std::vector<Member>& members) {
  for (auto member = members.begin(); member != members.end(); ++member) {
    if (Make(*member)) continue;
    // It may have been made, and have failed after that.
    Remove(members.begin(), std::next(member));
    return false;
  }
  // The time of a directory changes with each file that is made in it.
  for (auto member = members.rbegin(); member != members.rend(); ++member) {
    if (member->type != kDirectory || SetStatus(*member)) continue;
    Remove(members.begin(), members.end());
    return false;
  }
  return true;
}

bool Extractor::Make(const Member& member) const {
  const char* path = member.path.c_str();
  switch (member.type) {
    case kDirectory:
      return member.path.empty() || mkdirat(directory_.get(), path, kPrivateDirectory) == 0;
    case kRegular:
      return MakeFile(member);
    case kHardLink:
      return linkat(directory_.get(), member.target.c_str(), directory_.get(), path, 0) == 0;
    case kSymbolicLink:
      return symlinkat(member.target.c_str(), directory_.get(), path) == 0 && SetStatus(member);
    case kFifo:
      return mkfifoat(directory_.get(), path, kPrivateFile) == 0 && SetStatus(member);
    case kCharacterDevice:
      return mknodat(directory_.get(), path, S_IFCHR | kPrivateFile, member.device) == 0 &&
             SetStatus(member);
    case kBlockDevice:
      return mknodat(directory_.get(), path, S_IFBLK | kPrivateFile, member.device) == 0 &&
             SetStatus(member);
    default:
      return false;
  }
}

bool Extractor::MakeFile(const Member& member) const {
  const UniqueFd file(openat(directory_.get(), member.path.c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kPrivateFile));
  const auto times = TimesOf(member);
  return file.valid() && WriteAll(file.get(), member.content) &&
         fchown(file.get(), member.owner, member.group) == 0 &&
         fchmod(file.get(), member.mode) == 0 && futimens(file.get(), times.data()) == 0;
}

bool Extractor::SetStatus(const Member& member) const {
  const char* path = Below(member.path);
  const auto times = TimesOf(member);
  // Another owner takes the bits for set-user-ID away, so that the mode comes after it.
  return fchownat(directory_.get(), path, member.owner, member.group, AT_SYMLINK_NOFOLLOW) == 0 &&
         (member.type == kSymbolicLink || fchmodat(directory_.get(), path, member.mode, 0) == 0) &&
         utimensat(directory_.get(), path, times.data(), AT_SYMLINK_NOFOLLOW) == 0;
}

void Extractor::Remove(Members first, Members last) const {
  while (last != first) {
    const Member& member = *--last;
    if (member.path.empty()) continue;
    const int flags = member.type == kDirectory ? AT_REMOVEDIR : 0;
    unlinkat(directory_.get(), member.path.c_str(), flags);
  }
}

}  // namespace criu_node::tar
