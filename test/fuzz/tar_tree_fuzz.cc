// A directory tree to archive, as the tasks of a container may have made it: for each entry a byte
// that says what it is, the number of the directory it lies in, and its name; then what belongs to
// its kind. The archive has to be that of GNU tar, byte by byte.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "archive.h"
#include "base/failure.h"
#include "extraction.h"
#include "fuzz.h"
#include "programs/tar/archiver.h"
#include "programs/tar/gzip_reader.h"
#include "programs/tar/gzip_writer.h"
#include "programs/tar/report.h"
#include "tmpfs_dump.h"

namespace {

using criu_node::UniqueFd;
using criu_node::fuzz::ContentOf;
using criu_node::fuzz::EntriesIn;
using criu_node::fuzz::Expect;
using criu_node::fuzz::Input;
using criu_node::fuzz::IsExtractedAsByGnuTar;
using criu_node::fuzz::kTmpfsDump;
using criu_node::fuzz::NameFrom;
using criu_node::fuzz::NoDescriptorIsLeft;
using criu_node::fuzz::RunGnuTar;
using criu_node::fuzz::Scratch;
namespace tar = criu_node::tar;

constexpr size_t kMaxEntries = 40;
// What is not above this is stored without compression, so that it can be read here.
constexpr off_t kMaxContent = 8192;
// Room for holes, which the archive does not have.
constexpr off_t kHole = 1L << 33U;

void WriteFile(int directory, const std::string& name, Input* input) {
  // A new one: through a link it could be any file of the machine, and a pipe would wait for a
  // reader.
  constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
  const UniqueFd file(openat(directory, name.c_str(), kFlags, 0600));
  if (!file.valid()) return;
  off_t written = 0;
  for (int parts = input->Byte() % 8; parts > 0; --parts) {
    const off_t offset = (off_t{input->Byte()} << 12U) % kHole;
    const auto content = input->Chunk();
    const auto length = std::min<off_t>(static_cast<off_t>(content.size()), kMaxContent - written);
    if (length <= 0) break;
    written += pwrite(file.get(), content.data(), static_cast<size_t>(length), offset);
  }
  if ((input->Byte() & 1U) != 0) {
    Expect(ftruncate(file.get(), off_t{input->Byte()} << 20U) == 0, "a file can have a hole");
  }
}

// What there may be of an entry beside its content. What does not work is not done.
void Decorate(int directory, const std::string& name, Input* input) {
  const uint8_t what = input->Byte();
  const auto number = [input] {
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i) value = value << 8U | input->Byte();
    return value;
  };
  // The owner comes first: another one takes the bits for set-user-ID away.
  if ((what & 1U) != 0) {
    const uint32_t user = number();
    static_cast<void>(fchownat(directory, name.c_str(), user, number(), AT_SYMLINK_NOFOLLOW));
  }
  if ((what & 2U) != 0) {
    // Of a directory its owner can go on to use it.
    const mode_t mode = (mode_t{input->Byte()} << 8U | input->Byte()) & 07777U;
    struct stat status {};
    if (fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        !S_ISLNK(status.st_mode)) {
      static_cast<void>(fchmodat(directory, name.c_str(), mode, 0));
    }
  }
  if ((what & 4U) != 0) {
    const auto path = "/proc/self/fd/" + std::to_string(directory) + '/' + name;
    const auto value = input->Chunk();
    static_cast<void>(lsetxattr(path.c_str(), "trusted.fuzz", value.data(),
                                std::min<size_t>(value.size(), 64), 0));
  }
  if ((what & 8U) != 0) {
    const auto seconds = static_cast<time_t>(static_cast<int32_t>(number())) * (1 + (what >> 6U));
    const std::array<timespec, 2> times{{{seconds, 0}, {seconds, 999}}};
    static_cast<void>(utimensat(directory, name.c_str(), times.data(), AT_SYMLINK_NOFOLLOW));
  }
}

void MakeTree(const std::string& top, Input* input) {
  std::vector<std::string> directories{top};
  std::vector<std::string> files;
  for (size_t made = 0; made < kMaxEntries && !input->empty(); ++made) {
    const uint8_t kind = input->Byte() % 8;
    const std::string parent = directories[input->Byte() % directories.size()];
    const std::string name = NameFrom(input);
    if (name.empty() || name == "." || name == "..") continue;
    const UniqueFd directory(open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) continue;
    switch (kind) {
      case 0:
        if (mkdirat(directory.get(), name.c_str(), 0700) == 0) {
          directories.push_back(parent + '/' + name);
        }
        break;
      case 1: {
        std::string target = input->Text();
        std::erase(target, '\0');
        if (symlinkat(target.c_str(), directory.get(), name.c_str()) == 0) {
          files.push_back(parent + '/' + name);
        }
        break;
      }
      case 2:
        if (!files.empty()) {
          const std::string& first = files[input->Byte() % files.size()];
          static_cast<void>(linkat(AT_FDCWD, first.c_str(), directory.get(), name.c_str(), 0));
        }
        break;
      case 3:
        static_cast<void>(mkfifoat(directory.get(), name.c_str(), 0600));
        break;
      case 4: {
        const mode_t type = std::array<mode_t, 3>{S_IFSOCK, S_IFCHR, S_IFBLK}.at(input->Byte() % 3);
        const dev_t device = makedev(input->Byte() << 4U, input->Byte() << 12U);
        static_cast<void>(mknodat(directory.get(), name.c_str(), type | 0600U, device));
        break;
      }
      default:
        WriteFile(directory.get(), name, input);
        files.push_back(parent + '/' + name);
    }
    Decorate(directory.get(), name, input);
  }
}

// The whole of a gzip file whose blocks are stored.
std::string Unpacked(std::string_view file) {
  constexpr size_t kHead = 10;
  constexpr size_t kTail = 8;
  std::string content;
  Expect(file.starts_with("\x1f\x8b\x08") && file.size() > kHead + kTail, "it is a gzip file");
  file.remove_prefix(kHead);
  for (bool is_last = false; !is_last;) {
    Expect(file.size() >= 5 && (file[0] & 6) == 0, "a block is stored");
    is_last = (file[0] & 1) != 0;
    uint16_t length = 0;
    std::memcpy(&length, file.data() + 1, sizeof(length));
    Expect(file.size() >= 5U + length, "a block is whole");
    content += file.substr(5, length);
    file.remove_prefix(5U + length);
  }
  uint32_t size = 0;
  Expect(file.size() == kTail, "nothing follows");
  std::memcpy(&size, file.data() + 4, sizeof(size));
  Expect(size == content.size(), "the length is right");
  return content;
}

// The archive that GNU tar makes, without compression.
std::string ArchiveOfGnuTar(const std::string& top) {
  const UniqueFd output(memfd_create("archive", MFD_CLOEXEC));
  std::vector<std::string> words = kTmpfsDump;
  std::erase(words, "--gzip");
  words.insert(words.end(), {top, "."});
  Expect(RunGnuTar(std::move(words), -1, output.get()) == 0, "GNU tar does not fail");
  return ContentOf(output);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Scratch scratch;
  const NoDescriptorIsLeft none_is_left;
  const std::string top = scratch.path() + "/tree";
  mkdir(top.c_str(), 0700);
  Input input(data, size);
  MakeTree(top, &input);
  const UniqueFd output(memfd_create("archive", MFD_CLOEXEC));
  struct stat status {};
  fstat(output.get(), &status);
  tar::Report report;
  tar::GzipWriter writer(output.get());
  tar::Archiver(&writer, &report, status)
      .Archive(UniqueFd(open(top.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
  writer.Finish();
  Expect(report.status() == 0, "nothing has failed");
  if (writer.size() <= 128UL * 1024) {
    const std::string archive = Unpacked(ContentOf(output));
    EntriesIn(archive);
    Expect(archive == ArchiveOfGnuTar(top), "it is that of GNU tar");
    const auto file = ContentOf(output);
    Expect(tar::Unpacked(file, archive.size()) == archive, "it is unpacked");
    Expect(!tar::Unpacked(file, archive.size() - 1).has_value(), "it is not above the limit");
    const bool is_sparse = std::ranges::any_of(
        EntriesIn(archive), [](const auto& entry) { return entry.type == tar::kSparse; });
    Expect(IsExtractedAsByGnuTar(archive, scratch.path()) == (!is_sparse && geteuid() == 0),
           "all but a sparse file is extracted");
  }
  std::filesystem::remove_all(top);
  return 0;
}
