#include "rollback/interrupt.h"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>
#include <string>
#include <string_view>

#include "base/failure.h"
#include "linux/family.h"
#include "linux/proc_file.h"
#include "linux/proc_text.h"

namespace criu_node {

namespace {

bool HasSignal(pid_t pid, std::string_view set, int signal_number) {
  return proc_text::HasSignal(ReadProcFile(pid, "status"), set, signal_number);
}

char StateOf(pid_t pid) { return proc_text::State(ReadProcFile(pid, "stat")); }

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
    const int descriptor = proc_text::AwaitedDescriptor(ReadProcFile(criu, "syscall"));
    // A socket that connects is in no table yet under its inode.
    const bool connects = may_connect && descriptor >= 0 && !HasSignal(criu, "SigCgt", SIGALRM);
    if (!connects && (descriptor < 0 || !IsTcp(criu, descriptor))) return false;
    kill(criu, connects ? SIGTERM : SIGALRM);
    return true;
  });
}

}  // namespace criu_node
