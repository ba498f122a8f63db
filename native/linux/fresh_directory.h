#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.h"

namespace criu_node {

// A directory that is to be made (mode 0700) in one that exists.
struct FreshDirectory {
  std::string path;                                          // absolute
  std::vector<std::pair<std::string, std::string>> files{};  // name and content, mode 0600
  std::vector<std::pair<std::string, std::string>> notes{};  // the same; see WriteNotes()
};

// Makes the directory, opens it and takes its lock, which the descriptor keeps. Invalid when that
// cannot be done in one go, whatever the reason: the directory is there already, its parent is not,
// there is a symbolic link or a directory of another user on the way, another operation has found
// it before it was locked, or a file cannot be written. Then nothing of ours is left in it.
UniqueFd MakeFreshDirectory(const FreshDirectory& directory);

// Writes the notes into a directory that was made, when nobody waits for that. One that cannot be
// written is left out.
void WriteNotes(const FreshDirectory& directory, int made) noexcept;

}  // namespace criu_node
