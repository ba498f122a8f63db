#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "programs/tar/header.h"
#include "programs/tar/report.h"
#include "programs/tar/writer.h"

namespace criu_node::tar {

// Writes a directory tree as `tar --create --one-file-system --check-links --sparse
// --numeric-owner` does: the same entries in the same order, byte for byte. What cannot be
// archived goes to the report and is left out; a Failure is thrown where going on has no sense.
// What derives from it says where its trees differ from that.
//
// Owner: the program. Thread: its only one.
class Archiver {
 public:
  // `output` is the archive's own file, which is left out where it lies within the tree.
  Archiver(Writer* archive, Report* report, const struct stat& output)
      : archive_(archive), report_(report), output_(output) {}
  virtual ~Archiver() = default;
  Archiver(const Archiver&) = delete;
  Archiver& operator=(const Archiver&) = delete;
  Archiver(Archiver&&) = delete;
  Archiver& operator=(Archiver&&) = delete;

  // Writes the whole archive, to its end mark.
  void Archive(UniqueFd directory);

 protected:
  // Where we are, from `.` on.
  [[nodiscard]] const std::string& path() const { return path_; }
  void Unreadable(std::string_view text, int error_number);
  // Whether the directory at path() lies on another file system than the one above it.
  [[nodiscard]] virtual bool IsElsewhere(const struct stat& above, const struct stat& status) const;
  // The name that the entry at path() has in the archive.
  [[nodiscard]] virtual std::string_view NameOf(std::string_view path) const { return path; }
  // Whether there is no entry for a device.
  virtual bool SkipsDevice(const struct stat& /*status*/) { return false; }
  // What is archived in the place of the directory or file at path().
  virtual UniqueFd Replaced(UniqueFd fd) { return fd; }
  // The records of the extended header of the directory or file at path(); none for no such header.
  virtual std::string ExtendedRecords(int /*fd*/) { return {}; }
  // Called when the names in the directory at path() are known, and when all of it is archived.
  virtual void Entered(int /*fd*/, const std::vector<std::string>& /*names*/) {}
  virtual void Left() {}

 private:
  using FileId = std::pair<dev_t, ino_t>;

  // A directory whose entries are being archived.
  struct Level {
    UniqueFd fd;  // closed far from the end of a deep path, and opened again from the one below
    struct stat status;
    std::vector<std::string> names;
    size_t next = 0;
    size_t path_length = 0;
  };

  // The first name of a file that has several.
  struct Link {
    std::string path;
    nlink_t missing;
  };

  void Enter(UniqueFd fd);
  void Leave();
  // What is above a level, if that is its parent: what stands in the place of another directory has
  // another one above it.
  static UniqueFd OpenParent(const Level& level, const Level& parent);
  void AddEntry(int directory, const std::string& name);
  void AddFile(UniqueFd file);
  void AddSymbolicLink(int directory, const std::string& name, const struct stat& status);
  void AddSpecialFile(char type, const struct stat& status);
  bool AddAsLink(const struct stat& status);

  void WriteHeader(Header* header);
  void WriteExtendedHeader(int fd);
  void WriteLongText(char type, std::string_view text);
  void WriteSparseHeader(const struct stat& status, const std::vector<Extent>& extents);
  // False when the file turned out shorter; zeros are in its place then.
  bool WriteContent(int file, int64_t size, const Extent& extent);
  void PadTo(size_t size);

  std::vector<std::string> Names(int directory);
  std::optional<UniqueFd> Open(int directory, const std::string& name, int flags);
  void CheckUnchanged(int fd, const struct stat& before);
  void Remember(const struct stat& status);

  Writer* archive_;
  Report* report_;
  struct stat output_;
  std::vector<Level> levels_;
  std::string path_;
  std::map<FileId, Link> links_;
};

}  // namespace criu_node::tar
