#include "linux/pid_namespace.h"

#include "linux/family.h"
#include "linux/proc_file.h"
#include "linux/proc_text.h"

namespace criu_node {

pid_t PidOfChild(pid_t parent, pid_t inside) {
  for (const pid_t child : ChildrenOf(parent)) {
    if (proc_text::InnermostPid(ReadProcFile(child, "status")) == inside) return child;
  }
  return -1;
}

}  // namespace criu_node
