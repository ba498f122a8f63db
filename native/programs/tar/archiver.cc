#include "programs/tar/archiver.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <iterator>

#include "base/failure.h"

namespace criu_node::tar {

namespace {

// The length of a record: GNU tar's default of 20 blocks.
constexpr size_t kRecordSize = 20 * kBlockSize;
// Of the directories from the top to where we are, at most this many are open at a time.
constexpr size_t kOpenLevels = 128;
// How files are opened: a regular file that has become a FIFO must not block us.
constexpr int kOpenFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

struct stat Status(int fd) {
  struct stat status {};
  if (fstat(fd, &status) != 0) throw Failure::System("read", "Cannot stat");
  return status;
}

bool IsSame(const struct stat& one, const struct stat& other) {
  return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

bool IsSparse(const struct stat& status) {
  constexpr int64_t kStatBlock = 512;
  return status.st_blocks < (status.st_size + kStatBlock - 1) / kStatBlock;
}

// The parts of a file that are not holes, in whole blocks; nothing where the file system cannot
// tell.
std::optional<std::vector<Extent>> Extents(int file, int64_t size) {
  constexpr auto kBlock = static_cast<int64_t>(kBlockSize);
  std::vector<Extent> extents;
  int64_t position = 0;
  while (position < size) {
    const int64_t data = lseek(file, position, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // no more of it
    const int64_t hole = data < 0 ? data : lseek(file, data, SEEK_HOLE);
    if (hole < 0) return std::nullopt;
    const int64_t start = std::max(position, data / kBlock * kBlock);
    const int64_t end = std::min(size, (hole + kBlock - 1) / kBlock * kBlock);
    if (start < end) extents.push_back({.offset = start, .length = end - start});
    position = std::max(end, position + 1);
  }
  // Tells the size to whoever extracts, also where the end is a hole.
  extents.push_back({.offset = size, .length = 0});
  return extents;
}

}  // namespace

void Archiver::Archive(UniqueFd directory) {
  path_.assign(1, '.');
  Enter(std::move(directory));
  while (!levels_.empty()) {
    Level& level = levels_.back();
    if (level.next == level.names.size()) {
      Leave();
      continue;
    }
    const std::string& name = level.names[level.next++];
    path_.resize(level.path_length);
    path_ += name;
    AddEntry(level.fd.get(), name);
  }
  archive_->WriteZeros(2 * kBlockSize);
  PadTo(kRecordSize);
  for (const auto& [id, link] : links_) {
    if (link.missing > 0) report_->Note("Missing links to", link.path);
  }
}

void Archiver::Enter(UniqueFd fd) {
  const struct stat status = Status(fd.get());
  path_ += '/';
  WriteExtendedHeader(fd.get());
  Header header(kDirectory, NameOf(path_), status);
  WriteHeader(&header);
  if (!levels_.empty() && IsElsewhere(levels_.back().status, status)) return;
  std::vector<std::string> names = Names(fd.get());
  Entered(fd.get(), names);
  levels_.push_back({.fd = std::move(fd),
                     .status = status,
                     .names = std::move(names),
                     .path_length = path_.size()});
  if (levels_.size() <= kOpenLevels) return;
  const auto far = levels_.end() - 1 - kOpenLevels;
  if (OpenParent(*std::next(far), *far).valid()) far->fd.Reset();
}

UniqueFd Archiver::OpenParent(const Level& level, const Level& parent) {
  UniqueFd fd(openat(level.fd.get(), "..", kOpenFlags | O_DIRECTORY));
  if (fd.valid() && !IsSame(Status(fd.get()), parent.status)) fd.Reset();
  return fd;
}

void Archiver::Leave() {
  const Level level = std::move(levels_.back());
  levels_.pop_back();
  path_.resize(level.path_length);
  CheckUnchanged(level.fd.get(), level.status);
  Left();
  if (levels_.empty() || levels_.back().fd.valid()) return;
  Level& parent = levels_.back();
  parent.fd = OpenParent(level, parent);
  if (!parent.fd.valid()) {
    throw Failure("read", 0, "A directory was moved while it was archived");
  }
}

void Archiver::AddEntry(int directory, const std::string& name) {
  struct stat status {};
  if (fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return Unreadable("Cannot stat", errno);
  }
  switch (status.st_mode & S_IFMT) {
    case S_IFDIR:
      if (auto fd = Open(directory, name, O_DIRECTORY)) Enter(Replaced(std::move(*fd)));
      return;
    case S_IFREG:
      if (IsSame(status, output_)) return report_->Note(path_, "file is the archive; not dumped");
      if (auto fd = Open(directory, name, 0)) AddFile(Replaced(std::move(*fd)));
      return;
    case S_IFLNK:
      return AddSymbolicLink(directory, name, status);
    case S_IFCHR:
      return AddSpecialFile(kCharacterDevice, status);
    case S_IFBLK:
      return AddSpecialFile(kBlockDevice, status);
    case S_IFIFO:
      return AddSpecialFile(kFifo, status);
    case S_IFSOCK:
      return report_->Note(path_, "socket ignored");
    default:
      return report_->Failed(path_, "Unknown file type; file ignored", 0);
  }
}

void Archiver::AddFile(UniqueFd file) {
  const struct stat status = Status(file.get());
  if (!S_ISREG(status.st_mode)) return Unreadable("File removed before we read it", ENOENT);
  if (AddAsLink(status)) return;
  WriteExtendedHeader(file.get());
  std::optional<std::vector<Extent>> extents;
  if (IsSparse(status)) extents = Extents(file.get(), status.st_size);
  if (extents.has_value()) {
    WriteSparseHeader(status, *extents);
  } else {
    Header header(kRegular, NameOf(path_), status);
    header.SetSize(status.st_size);
    WriteHeader(&header);
    extents = {{.offset = 0, .length = status.st_size}};
  }
  bool whole = true;
  for (const Extent& extent : *extents) {
    whole = WriteContent(file.get(), status.st_size, extent) && whole;
  }
  if (whole) CheckUnchanged(file.get(), status);
  Remember(status);
}

void Archiver::AddSymbolicLink(int directory, const std::string& name, const struct stat& status) {
  if (AddAsLink(status)) return;
  std::array<char, PATH_MAX> target{};
  const ssize_t length = readlinkat(directory, name.c_str(), target.data(), target.size());
  if (length < 0) return Unreadable("Cannot readlink", errno);
  const std::string_view text(target.data(), static_cast<size_t>(length));
  if (!Header::NameFits(text)) WriteLongText(kLongLinkTarget, text);
  Header header(kSymbolicLink, NameOf(path_), status);
  header.SetLinkTarget(text);
  WriteHeader(&header);
  Remember(status);
}

// GNU tar does not look for further names of these: each comes back as a file of its own.
void Archiver::AddSpecialFile(char type, const struct stat& status) {
  if (type != kFifo && SkipsDevice(status)) return;
  Header header(type, NameOf(path_), status);
  if (type != kFifo) header.SetDevice(status.st_rdev);
  WriteHeader(&header);
}

bool Archiver::AddAsLink(const struct stat& status) {
  if (status.st_nlink < 2) return false;
  const auto found = links_.find({status.st_dev, status.st_ino});
  if (found == links_.end()) return false;
  Link& first = found->second;
  if (first.missing > 0) --first.missing;
  const std::string_view target = NameOf(first.path);
  if (!Header::NameFits(target)) WriteLongText(kLongLinkTarget, target);
  Header header(kHardLink, NameOf(path_), status);
  header.SetLinkTarget(target);
  WriteHeader(&header);
  return true;
}

void Archiver::WriteHeader(Header* header) {
  if (!Header::NameFits(NameOf(path_))) WriteLongText(kLongName, NameOf(path_));
  header->SetChecksum();
  archive_->Write({reinterpret_cast<const char*>(header), sizeof(*header)});
}

// Extended attributes and the like, in the form of POSIX, which readers of GNU's form take as well.
void Archiver::WriteExtendedHeader(int fd) {
  const std::string records = ExtendedRecords(fd);
  if (records.empty()) return;
  struct stat nobody {};
  nobody.st_mode = 0644;
  Header header(kExtended, "././@PaxHeader", nobody);
  header.SetSize(static_cast<int64_t>(records.size()));
  header.SetChecksum();
  archive_->Write({reinterpret_cast<const char*>(&header), sizeof(header)});
  archive_->Write(records);
  PadTo(kBlockSize);
}

void Archiver::WriteLongText(char type, std::string_view text) {
  struct stat nobody {};
  nobody.st_mode = 0644;
  Header header(type, "././@LongLink", nobody);
  header.SetSize(static_cast<int64_t>(text.size()) + 1);
  header.SetChecksum();
  archive_->Write({reinterpret_cast<const char*>(&header), sizeof(header)});
  archive_->Write(text);
  archive_->WriteZeros(1);
  PadTo(kBlockSize);
}

void Archiver::WriteSparseHeader(const struct stat& status, const std::vector<Extent>& extents) {
  Header header(kSparse, NameOf(path_), status);
  int64_t size = 0;
  for (const Extent& extent : extents) size += extent.length;
  header.SetSize(size);
  header.SetRealSize(status.st_size);

  auto rest = std::span(extents);
  const auto fill = [&rest](std::span<SparseExtent> places) -> char {
    const size_t count = std::min(places.size(), rest.size());
    for (size_t i = 0; i < count; ++i) places[i].Set(rest[i]);
    rest = rest.subspan(count);
    return rest.empty() ? '\0' : '\1';
  };
  header.sparse_continues = fill(header.sparse);
  WriteHeader(&header);
  while (!rest.empty()) {
    SparseContinuation continuation{};
    continuation.continues = fill(continuation.sparse);
    archive_->Write({reinterpret_cast<const char*>(&continuation), sizeof(continuation)});
  }
}

bool Archiver::WriteContent(int file, int64_t size, const Extent& extent) {
  int64_t offset = extent.offset;
  const int64_t end = extent.offset + extent.length;
  bool whole = true;
  while (offset < end) {
    const std::span<char> room = archive_->Room();
    const auto wanted = std::min(static_cast<uint64_t>(end - offset), uint64_t{room.size()});
    const ssize_t length = pread(file, room.data(), wanted, offset);
    if (length > 0) {
      archive_->Advance(static_cast<size_t>(length));
      offset += length;
      continue;
    }
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) {
      report_->Failed(path_, "Read error", errno);
    } else {
      report_->Differs(
          path_, "File shrank by " + std::to_string(size - offset) + " bytes; padding with zeros");
    }
    archive_->WriteZeros(static_cast<uint64_t>(end - offset));
    whole = false;
    break;
  }
  PadTo(kBlockSize);
  return whole;
}

void Archiver::PadTo(size_t size) {
  const size_t over = archive_->size() % size;
  if (over != 0) archive_->WriteZeros(size - over);
}

// The names are read all at once, in the order of the file system, as GNU tar takes them.
std::vector<std::string> Archiver::Names(int directory) {
  // linux_dirent64, which not every C library declares: inode, offset, record length, type, name.
  constexpr size_t kRecordLength = 16;
  constexpr size_t kName = 19;
  std::vector<std::string> names;
  std::array<char, 16UL * 1024> buffer;
  for (;;) {
    const auto length = syscall(SYS_getdents64, directory, buffer.data(), buffer.size());
    if (length < 0) report_->Failed(path_, "Cannot read directory", errno);
    if (length <= 0) return names;
    for (size_t at = 0; at < static_cast<size_t>(length);) {
      const std::string_view name(buffer.data() + at + kName);
      if (name != "." && name != "..") names.emplace_back(name);
      uint16_t record = 0;
      memcpy(&record, buffer.data() + at + kRecordLength, sizeof(record));
      at += record;
    }
  }
}

std::optional<UniqueFd> Archiver::Open(int directory, const std::string& name, int flags) {
  UniqueFd fd(openat(directory, name.c_str(), kOpenFlags | flags));
  if (fd.valid()) return fd;
  Unreadable("Cannot open", errno);
  return std::nullopt;
}

bool Archiver::IsElsewhere(const struct stat& above, const struct stat& status) const {
  return above.st_dev != status.st_dev;
}

void Archiver::CheckUnchanged(int fd, const struct stat& before) {
  const struct stat now = Status(fd);
  const bool touched =
      now.st_ctim.tv_sec != before.st_ctim.tv_sec || now.st_ctim.tv_nsec != before.st_ctim.tv_nsec;
  if (touched || now.st_size > before.st_size) {
    report_->Differs(path_, "file changed as we read it");
  }
}

void Archiver::Remember(const struct stat& status) {
  if (status.st_nlink < 2) return;
  links_.emplace(FileId(status.st_dev, status.st_ino), Link{path_, status.st_nlink - 1});
}

void Archiver::Unreadable(std::string_view text, int error_number) {
  if (error_number == ENOENT) {
    report_->Differs(path_, "File removed before we read it");
  } else {
    report_->Failed(path_, text, error_number);
  }
}

}  // namespace criu_node::tar
