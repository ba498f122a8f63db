#include "linux/file_metadata.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>

#include "base/failure.h"

namespace criu_node {

std::vector<int64_t> FileModes(const std::vector<std::string>& paths) {
  std::vector<int64_t> modes;
  modes.reserve(paths.size());
  for (const std::string& path : paths) {
    struct stat info {};
    modes.push_back(stat(path.c_str(), &info) == 0 ? int64_t{info.st_mode} : -int64_t{errno});
  }
  return modes;
}

void SetAttribute(const std::string& path, const std::string& name, const std::string& value) {
  if (lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0) return;
  if (errno == ENOTSUP) return;
  throw Failure::System("archive", "cannot set the extended attribute " + name);
}

void MakeFifo(const std::string& path, unsigned mode) {
  if (mkfifo(path.c_str(), mode) != 0) throw Failure::System("archive", "cannot make a named pipe");
}

}  // namespace criu_node
