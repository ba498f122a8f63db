#include "rollback/interrupt.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/failure.h"

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

// R, S, D, T ... of /proc/PID/stat; X of a process that is gone.
char StateOf(pid_t pid) {
  std::ifstream file(ProcPath(pid, "stat"));
  std::string text;
  std::getline(file, text);
  // The name before it may have spaces and parentheses.
  const size_t end = text.rfind(')');
  return end == std::string::npos || end + 2 >= text.size() ? 'X' : text[end + 2];
}

// The descriptor at which a process waits in a system call for a socket; -1 when it does not.
int AwaitedDescriptor(pid_t pid) {
  std::ifstream file(ProcPath(pid, "syscall"));
  int64_t number = -1;
  std::array<std::string, 3> arguments;
  // It says "running" of a process that waits for nothing.
  if (!(file >> number >> arguments[0] >> arguments[1] >> arguments[2])) return -1;
  size_t at = 0;
  switch (number) {
    case SYS_splice:
      at = 2;
      break;
    case SYS_connect:
    case SYS_read:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_sendmsg:
    case SYS_sendto:
    case SYS_write:
      break;
    default:
      return -1;
  }
  const std::string_view text = arguments[at];
  int descriptor = -1;
  if (text.starts_with("0x")) {
    std::from_chars(text.data() + 2, text.data() + text.size(), descriptor, 16);
  }
  return descriptor;
}

// Whether a descriptor is a TCP socket. criu talks over sockets with the tasks, too, but those are
// unix ones.
bool IsTcp(pid_t pid, int descriptor) {
  std::array<char, 64> link{};
  const std::string path = ProcPath(pid, "fd/" + std::to_string(descriptor));
  const ssize_t length = readlink(path.c_str(), link.data(), link.size());
  const std::string_view target(link.data(), length > 0 ? static_cast<size_t>(length) : 0);
  if (!target.starts_with("socket:[")) return false;
  const std::string inode = ' ' + std::string(target.substr(8, target.size() - 9)) + ' ';
  for (const char* table : {"net/tcp", "net/tcp6"}) {
    std::ifstream sockets(ProcPath(pid, table));
    for (std::string line; std::getline(sockets, line);) {
      if (line.find(inode) != std::string::npos) return true;
    }
  }
  return false;
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

// What work finds out; false without memory for it.
template <typename Work>
bool TryTo(const Work& work) noexcept {
  bool result = false;
  static_cast<void>(Attempt("request", [&] { result = work(); }));
  return result;
}

}  // namespace

void FailWrites(pid_t criu) noexcept {
  static_cast<void>(Attempt("request", [criu] {
    ForFamily(criu, [](pid_t pid) {
      rlimit limit{};
      if (!HasSignal(pid, "SigIgn", SIGXFSZ) || prlimit(pid, RLIMIT_FSIZE, nullptr, &limit) != 0) {
        return false;
      }
      limit.rlim_cur = 0;
      // This comes before its children, which inherit it.
      prlimit(pid, RLIMIT_FSIZE, &limit, nullptr);
      return true;
    });
  }));
}

void ContinueFamily(pid_t criu) noexcept {
  static_cast<void>(Attempt("request", [criu] {
    ForFamily(criu, [](pid_t pid) {
      if (StateOf(pid) == 'T') kill(pid, SIGCONT);
      return true;
    });
  }));
}

bool IsAtWork(pid_t criu) noexcept {
  return TryTo([criu] {
    const char state = StateOf(criu);
    return state == 'R' || state == 'D';
  });
}

void FailWritesOfPreDump(pid_t criu) noexcept {
  static_cast<void>(Attempt("request", [criu] {
    for (const pid_t child : ChildrenOf(criu)) {
      if (HasSignal(child, "SigCgt", SIGALRM)) FailWrites(child);
    }
  }));
}

void EndFreezing(pid_t criu) noexcept {
  if (TryTo([criu] { return HasSignal(criu, "SigCgt", SIGALRM); })) kill(criu, SIGALRM);
}

bool EndPageServerWait(pid_t criu, bool may_connect) noexcept {
  return TryTo([criu, may_connect] {
    const int descriptor = AwaitedDescriptor(criu);
    // A socket that connects is in no table yet under its inode.
    const bool connects = may_connect && descriptor >= 0 && !HasSignal(criu, "SigCgt", SIGALRM);
    if (!connects && (descriptor < 0 || !IsTcp(criu, descriptor))) return false;
    kill(criu, connects ? SIGTERM : SIGALRM);
    return true;
  });
}

}  // namespace criu_node
