#include "interrupt.h"

#include <sys/resource.h>

#include <charconv>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace criu_node {

namespace {

std::string ProcPath(pid_t pid, std::string_view file) {
  return "/proc/" + std::to_string(pid) + '/' + std::string(file);
}

// Whether a signal is in one of the sets of /proc/PID/status: SigIgn, SigCgt.
bool HasSignal(pid_t pid, std::string_view set, int signal_number) {
  std::ifstream status(ProcPath(pid, "status"));
  for (std::string line; std::getline(status, line);) {
    if (!line.starts_with(set)) continue;
    const size_t start = line.find_first_not_of(" \t:", set.size());
    if (start == std::string::npos) return false;
    uint64_t mask = 0;
    std::from_chars(line.data() + start, line.data() + line.size(), mask, 16);
    return (mask >> static_cast<unsigned>(signal_number - 1) & 1U) != 0;
  }
  return false;
}

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::ifstream file(ProcPath(pid, "task/" + std::to_string(pid) + "/children"));
  std::vector<pid_t> children;
  for (pid_t child = 0; file >> child;) children.push_back(child);
  return children;
}

}  // namespace

void FailWrites(pid_t criu) {
  std::vector<pid_t> family{criu};
  while (!family.empty()) {
    const pid_t pid = family.back();
    family.pop_back();
    rlimit limit{};
    if (!HasSignal(pid, "SigIgn", SIGXFSZ) || prlimit(pid, RLIMIT_FSIZE, nullptr, &limit) != 0) {
      continue;
    }
    limit.rlim_cur = 0;
    prlimit(pid, RLIMIT_FSIZE, &limit, nullptr);
    // After the limit, which a child inherits.
    for (const pid_t child : ChildrenOf(pid)) family.push_back(child);
  }
}

void FailWritesOfPreDump(pid_t criu) {
  for (const pid_t child : ChildrenOf(criu)) {
    if (HasSignal(child, "SigCgt", SIGALRM)) FailWrites(child);
  }
}

void EndFreezing(pid_t criu) {
  if (HasSignal(criu, "SigCgt", SIGALRM)) kill(criu, SIGALRM);
}

}  // namespace criu_node
