#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "programs/tar/archiver.h"
#include "programs/tar/report.h"
#include "programs/tar/writer.h"

namespace criu_node::layer {

// Archives a tree with its extended attributes, under names without `./`.
//
// Owner: the program. Thread: its only one.
class TreeArchiver : public tar::Archiver {
 public:
  using Archiver::Archiver;

 protected:
  [[nodiscard]] std::string_view NameOf(std::string_view path) const override;
  std::string ExtendedRecords(int fd) override;
};

// What the kernel has mounted as an overlay, each by its top directory.
struct Overlay {
  UniqueFd merged;
  std::vector<UniqueFd> lower;
  // What the names of its own attributes begin with. The other ones that could be some are those of
  // a container, which may give its files any.
  std::string own_attributes;
};

// Archives the upper directory of an overlay: what was made or changed on top of the lower ones.
// What was removed is not in the archive, but in a list of its own. All in it belongs to a
// container, so nothing is followed.
//
// Owner: the program. Thread: its only one.
class LayerArchiver : public TreeArchiver {
 public:
  LayerArchiver(tar::Writer* archive, tar::Report* report, const struct stat& output,
                Overlay overlay, tar::Writer* removed)
      : TreeArchiver(archive, report, output), overlay_(std::move(overlay)), removed_(removed) {}

 protected:
  [[nodiscard]] bool IsElsewhere(const struct stat& above,
                                 const struct stat& status) const override;
  bool SkipsDevice(const struct stat& status) override;
  UniqueFd Replaced(UniqueFd fd) override;
  void Entered(int fd, const std::vector<std::string>& names) override;
  void Left() override { hides_.pop_back(); }

 private:
  [[nodiscard]] std::optional<std::string> OwnAttribute(int fd, std::string_view name) const;
  void Remove(std::string_view path);
  void RemoveAllBut(const std::vector<std::string>& names);

  Overlay overlay_;
  tar::Writer* removed_;
  // Of the directories from the top to where we are: whether what the lower directories have there
  // is hidden.
  std::vector<bool> hides_;
  // The directory that comes next was moved from somewhere else.
  bool is_moved_ = false;
};

}  // namespace criu_node::layer
