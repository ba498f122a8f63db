// The directories of an overlay, as the tasks of a container may have filled them: a byte that says
// how it was mounted, and then for each entry a byte that says what it is, one that says in which
// of the directories it is, the number of the directory it lies in, and its name; then its content
// or target, and its extended attributes.
#include <sanitizer/common_interface_defs.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <array>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "archive.h"
#include "base/failure.h"
#include "fuzz.h"
#include "programs/layer/layer_archiver.h"
#include "programs/tar/report.h"
#include "programs/tar/writer.h"

namespace {

using criu_node::Failure;
using criu_node::UniqueFd;
using criu_node::fuzz::ArchiveEntry;
using criu_node::fuzz::ContentOf;
using criu_node::fuzz::EntriesIn;
using criu_node::fuzz::Expect;
using criu_node::fuzz::Input;
using criu_node::fuzz::NameFrom;
using criu_node::fuzz::NoDescriptorIsLeft;
using criu_node::fuzz::Scratch;
namespace layer = criu_node::layer;
namespace tar = criu_node::tar;

constexpr size_t kMaxEntries = 40;
constexpr size_t kMaxAttributes = 4;

constexpr std::string_view kUpper = "/upper";
constexpr std::string_view kMerged = "/merged";
constexpr std::array<std::string_view, 2> kLower = {"/lower-1", "/lower-2"};
constexpr std::array<std::string_view, 4> kPlaces = {kUpper, kMerged, kLower[0], kLower[1]};

// The last one is the start of a name that the input goes on with.
constexpr std::array kAttributes = {
    "trusted.overlay.redirect", "trusted.overlay.metacopy", "trusted.overlay.opaque",
    "user.overlay.redirect",    "user.overlay.metacopy",    "user.overlay.opaque",
    "security.capability",      "system.posix_acl_access",  "user.",
};

std::string TargetFrom(Input* input) {
  std::string target = input->Text();
  std::erase(target, '\0');
  return target;
}

struct Attribute {
  std::string name;
  std::string value;
};

std::vector<Attribute> AttributesFrom(Input* input) {
  std::vector<Attribute> attributes;
  for (size_t left = input->Byte() % (kMaxAttributes + 1); left > 0; --left) {
    std::string name = kAttributes[input->Byte() % kAttributes.size()];
    if (name.ends_with('.')) name += TargetFrom(input);
    attributes.push_back({.name = std::move(name), .value = input->Text()});
  }
  return attributes;
}

// Something that is in one or more of the directories.
struct Entry {
  uint8_t kind = 0;
  std::string name;
  std::string text;
  std::vector<Attribute> attributes;
};

// What is there already stays, and gets the attributes all the same.
void Make(const UniqueFd& directory, const std::string& path, const Entry& entry) {
  const char* const name = entry.name.c_str();
  switch (entry.kind) {
    case 0:
      static_cast<void>(mkdirat(directory.get(), name, 0700));
      break;
    case 1:
      static_cast<void>(symlinkat(entry.text.c_str(), directory.get(), name));
      break;
    case 2:
      static_cast<void>(mkfifoat(directory.get(), name, 0600));
      break;
    case 3:
      // Under such a one overlayfs keeps the name of what was removed.
      static_cast<void>(mknodat(directory.get(), name, S_IFCHR | 0600, makedev(0, 0)));
      break;
    default: {
      constexpr int kFlags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
      const UniqueFd file(openat(directory.get(), name, kFlags, 0600));
      if (!file.valid()) break;
      const ssize_t length = write(file.get(), entry.text.data(), entry.text.size());
      Expect(length == static_cast<ssize_t>(entry.text.size()), "a file can be written");
    }
  }
  for (const auto& [key, value] : entry.attributes) {
    static_cast<void>(lsetxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0));
  }
}

void MakeTrees(const std::string& top, Input* input) {
  for (const std::string_view place : kPlaces) mkdir((top + std::string(place)).c_str(), 0700);
  // From the top of each place on.
  std::vector<std::string> directories{""};
  for (size_t made = 0; made < kMaxEntries && !input->empty(); ++made) {
    Entry entry{.kind = static_cast<uint8_t>(input->Byte() % 6)};
    const uint8_t places = input->Byte();
    const std::string parent = directories[input->Byte() % directories.size()];
    entry.name = NameFrom(input);
    if (entry.kind == 1 || entry.kind > 3) entry.text = TargetFrom(input);
    entry.attributes = AttributesFrom(input);
    if (entry.name.empty() || entry.name == "." || entry.name == "..") continue;
    const std::string path = parent + '/' + entry.name;
    for (size_t i = 0; i < kPlaces.size(); ++i) {
      if ((places >> i & 1U) == 0) continue;
      const std::string at = top + std::string(kPlaces[i]);
      constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
      const UniqueFd directory(open((at + parent).c_str(), kFlags));
      if (directory.valid()) Make(directory, at + path, entry);
    }
    if (entry.kind == 0) directories.push_back(path);
  }
}

bool IsWhiteout(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 && S_ISCHR(status.st_mode) && status.st_rdev == 0;
}

std::optional<std::string> ValueOf(const std::string& path, const std::string& attribute) {
  std::array<char, 1024> value{};
  const ssize_t length = lgetxattr(path.c_str(), attribute.c_str(), value.data(), value.size());
  if (length < 0) return std::nullopt;
  return std::string(value.data(), static_cast<size_t>(length));
}

// Whether a path from the top on is that of a directory, without following a link.
bool IsDirectory(const std::string& top, const std::string& path) {
  for (size_t end = 0; end != path.npos;) {
    end = path.find('/', end + 1);
    struct stat status {};
    const std::string at = top + path.substr(0, end);
    if (lstat(at.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) return false;
  }
  return true;
}

std::set<std::string> NamesIn(const std::string& directory) {
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    names.insert(entry.path().filename());
  }
  return names;
}

// What an archive of the upper directory has to have where nothing was strange, and what the list
// of what is gone has.
class Expected {
 public:
  Expected(std::string top, std::string attributes)
      : top_(std::move(top)), attributes_(std::move(attributes)) {
    Add(top_ + std::string(kUpper), "", false);
  }

  [[nodiscard]] const std::set<std::string>& entries() const { return entries_; }
  [[nodiscard]] const std::set<std::string>& removed() const { return removed_; }

 private:
  // `real` is where a directory is read, and `path` its place from the top on.
  void Add(const std::string& real, const std::string& path, bool hides) {
    hides = hides || OwnValueOf(real, "opaque") == "y";
    const auto names = NamesIn(real);
    for (const std::string& name : names) AddEntry(real + '/' + name, path + '/' + name, hides);
    for (const std::string_view place : kLower) {
      const std::string lower = top_ + std::string(place);
      if (!hides || !IsDirectory(lower, path)) continue;
      for (const std::string& name : NamesIn(lower + path)) {
        if (!names.contains(name)) removed_.insert(path + '/' + name);
      }
    }
  }

  void AddEntry(const std::string& real, const std::string& path, bool hides) {
    if (IsWhiteout(real)) {
      removed_.insert(path);
      return;
    }
    if (!IsDirectory(real, "")) {
      entries_.insert(path.substr(1));
      return;
    }
    entries_.insert(path.substr(1) + '/');
    const bool is_elsewhere =
        OwnValueOf(real, "redirect").has_value() || OwnValueOf(real, "metacopy").has_value();
    Add(is_elsewhere ? top_ + std::string(kMerged) + path : real, path, hides || is_elsewhere);
  }

  [[nodiscard]] std::optional<std::string> OwnValueOf(const std::string& path,
                                                      const char* name) const {
    return ValueOf(path, attributes_ + name);
  }

  std::string top_;
  std::string attributes_;
  std::set<std::string> entries_{"./"};
  std::set<std::string> removed_;
};

// `LENGTH KEY=VALUE\n`, again and again: attributes that the entry has, in one of the places.
void ExpectRecords(const std::string& top, const ArchiveEntry& entry) {
  std::string_view records = entry.extended;
  while (!records.empty()) {
    size_t length = 0;
    const auto [end, error] =
        std::from_chars(records.data(), records.data() + records.size(), length);
    Expect(error == std::errc() && *end == ' ', "a record begins with its length");
    Expect(length <= records.size() && records[length - 1] == '\n', "a record has its end");
    std::string_view record(end + 1, records.data() + length - 1);
    constexpr std::string_view kAttribute = "SCHILY.xattr.";
    Expect(record.starts_with(kAttribute), "a record is an attribute");
    record.remove_prefix(kAttribute.size());
    const std::string key(record.substr(0, record.find('=')));
    Expect(key.size() < record.size(), "an attribute has a value");
    record.remove_prefix(key.size() + 1);
    Expect(!key.starts_with("trusted.") && !key.starts_with("user.overlay."),
           "an attribute is not the overlay's own");
    bool is_there = false;
    for (const std::string_view place : {kUpper, kMerged}) {
      is_there |= ValueOf(top + std::string(place) + '/' + entry.name, key) == record;
    }
    Expect(is_there, "an attribute is one of the entry");
    records.remove_prefix(length);
  }
}

// The paths of what is gone, each of which has an end.
std::set<std::string> PathsIn(std::string_view list) {
  std::set<std::string> paths;
  while (!list.empty()) {
    const size_t end = list.find('\0');
    Expect(end != list.npos && list[0] == '/', "a path is one from the root on, and has an end");
    Expect(paths.emplace(list.substr(0, end)).second, "a path is told once");
    list.remove_prefix(end + 1);
  }
  return paths;
}

// Keeps what is reported of strange entries from the output, but not what a sanitizer reports.
class Silence {
 public:
  Silence() : stderr_(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)) {
    __sanitizer_set_report_fd(reinterpret_cast<void*>(static_cast<intptr_t>(stderr_.get())));
    const UniqueFd null(open("/dev/null", O_WRONLY | O_CLOEXEC));
    dup2(null.get(), STDERR_FILENO);
  }
  ~Silence() {
    dup2(stderr_.get(), STDERR_FILENO);
    __sanitizer_set_report_fd(reinterpret_cast<void*>(intptr_t{STDERR_FILENO}));
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  Silence(Silence&&) = delete;
  Silence& operator=(Silence&&) = delete;

 private:
  UniqueFd stderr_;
};

UniqueFd Open(const std::string& top, std::string_view place) {
  const std::string path = top + std::string(place);
  return UniqueFd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

// What an archiver has written, and how that went.
struct Written {
  std::string archive;
  std::string removed;
  // None where it could not go on.
  std::optional<int> status;
};

Written Archive(const std::string& top, const std::string& attributes) {
  const Silence silence;
  const UniqueFd output(memfd_create("archive", MFD_CLOEXEC));
  const UniqueFd list(memfd_create("removed", MFD_CLOEXEC));
  struct stat status {};
  fstat(output.get(), &status);
  tar::Report report;
  tar::PlainWriter archive(output.get());
  tar::PlainWriter removed(list.get());
  layer::Overlay overlay{.merged = Open(top, kMerged), .lower = {}, .own_attributes = attributes};
  for (const std::string_view lower : kLower) overlay.lower.push_back(Open(top, lower));
  try {
    layer::LayerArchiver(&archive, &report, status, std::move(overlay), &removed)
        .Archive(Open(top, kUpper));
  } catch (const Failure&) {
    return {};
  }
  archive.Finish();
  removed.Finish();
  return {.archive = ContentOf(output), .removed = ContentOf(list), .status = report.status()};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Scratch scratch;
  const NoDescriptorIsLeft none_is_left;
  const std::string top = scratch.path() + "/overlay";
  mkdir(top.c_str(), 0700);
  Input input(data, size);
  const std::string attributes = (input.Byte() & 1U) != 0 ? "user.overlay." : "trusted.overlay.";
  MakeTrees(top, &input);
  const Written written = Archive(top, attributes);
  if (written.status.has_value()) {
    std::set<std::string> names;
    for (const ArchiveEntry& entry : EntriesIn(written.archive)) {
      ExpectRecords(top, entry);
      Expect(names.insert(entry.name).second, "an entry is there once");
    }
    const std::set<std::string> removed = PathsIn(written.removed);
    for (const std::string& path : removed) {
      Expect(!names.contains(path.substr(1)) && !names.contains(path.substr(1) + '/'),
             "what is in the archive is not gone");
    }
    if (written.status == 0) {
      const Expected expected(top, attributes);
      Expect(names == expected.entries(), "all of the upper directory is in the archive");
      Expect(removed == expected.removed(), "all that the upper directory hides is gone");
    }
  }
  std::filesystem::remove_all(top);
  return 0;
}
