#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/directory_entries.h"
#include "linux/proc_file.h"
#include "linux/proc_text.h"

namespace criu_node {

// What all threads of a process have started; empty of a process that is gone.
inline std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> children;
  ForEachEntry(ProcPath(pid, "task"), [&](const auto& thread) {
    const std::string name = thread.path().filename();
    for (const pid_t child : proc_text::Children(ReadProcFile(pid, "task/" + name + "/children"))) {
      children.push_back(child);
    }
    return true;
  });
  return children;
}

// A process and all that it has started, on which `visit` says whether to go on with its children.
template <typename Visit>
void ForFamily(pid_t root, const Visit& visit) {
  std::vector<pid_t> family{root};
  while (!family.empty()) {
    const pid_t pid = family.back();
    family.pop_back();
    if (!visit(pid)) continue;
    for (const pid_t child : ChildrenOf(pid)) family.push_back(child);
  }
}

}  // namespace criu_node
