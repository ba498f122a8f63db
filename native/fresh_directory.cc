#include "fresh_directory.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "unique_fd.h"

namespace criu_node {

bool MakeFreshDirectory(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash + 1 == path.size()) return false;
  const std::string parent_path = path.substr(0, slash + 1);
  open_how how{};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;
  const UniqueFd parent(
      static_cast<int>(syscall(SYS_openat2, AT_FDCWD, parent_path.c_str(), &how, sizeof(how))));
  return parent.valid() && mkdirat(parent.get(), path.c_str() + slash + 1, 0700) == 0;
}

}  // namespace criu_node
