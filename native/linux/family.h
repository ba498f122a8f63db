#pragma once

#include <sys/types.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "linux/proc_text.h"

namespace criu_node {

// What all threads of a process have started; empty of a process that is gone.
inline std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> children;
  std::error_code error;
  std::filesystem::directory_iterator threads("/proc/" + std::to_string(pid) + "/task", error);
  for (; !error && threads != std::filesystem::directory_iterator(); threads.increment(error)) {
    std::ifstream file(threads->path() / "children");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    for (const pid_t child : proc_text::Children(text)) children.push_back(child);
  }
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
