#include "linux/file_metadata.h"

#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>

#include "base/failure.h"

namespace criu_node {

void SetAttribute(const std::string& path, const std::string& name, const std::string& value) {
  if (lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0) return;
  if (errno == ENOTSUP) return;
  throw Failure::System("archive", "cannot set the extended attribute " + name);
}

void MakeFifo(const std::string& path, unsigned mode) {
  if (mkfifo(path.c_str(), mode) != 0) throw Failure::System("archive", "cannot make a named pipe");
}

}  // namespace criu_node
