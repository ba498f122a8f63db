#pragma once

#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "programs/tar/members.h"

namespace criu_node::tar {

// Makes the files of an archive in an empty directory, with the attributes that `tar --extract`
// gives them for root.
//
// Owner: the program. Thread: its only one.
class Extractor {
 public:
  explicit Extractor(UniqueFd directory) : directory_(std::move(directory)) {}

  // Whether there is nothing in the directory yet.
  [[nodiscard]] bool IsEmpty() const;
  // The members as PlainMembers() gives them. False when one could not be made; then none is left.
  bool Extract(const std::vector<Member>& members);

 private:
  [[nodiscard]] bool Make(const Member& member) const;
  [[nodiscard]] bool MakeFile(const Member& member) const;
  [[nodiscard]] bool SetStatus(const Member& member) const;
  using Members = std::vector<Member>::const_iterator;
  void Remove(Members first, Members last) const;

  UniqueFd directory_;
};

}  // namespace criu_node::tar
