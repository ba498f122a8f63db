#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace criu_node::tar {

// One file of an archive.
struct Member {
  char type = 0;       // as in a Header
  std::string path;    // below the directory; empty for that itself
  std::string target;  // of a symbolic link; of a hard link the path of what it is a name of
  mode_t mode = 0;     // permissions
  uid_t owner = 0;
  gid_t group = 0;
  int64_t time = 0;  // of the last modification, in seconds
  dev_t device = 0;
  std::string_view content;  // within the archive
};

// The members of an archive, in its order; nullopt unless it is whole and all of it is known to be
// extracted by GNU tar in one plain way: each member below the directory, under a name of its own,
// after the directory that it is in and after what it is a hard link to, with numbers for owners,
// in GNU's own format, and without a hole.
std::optional<std::vector<Member>> PlainMembers(std::string_view archive);

}  // namespace criu_node::tar
