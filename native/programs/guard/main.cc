// The process behind native/rollback/guard.h. Reads messages from the socket on its standard input:
//   F<version> <number> <pid of criu>   a cgroup is about to be frozen; comes with its open control
//                                       file
//   T <number>                          that one is thawed again
//   D <pid of criu> <network lock>      dumps
//   S <pid of criu> <network lock>      serves: lazy pages, or as a page server
//   E <pid of criu>                     has ended that
// When the other side is gone, a criu that dumps is made to fail, so that it need not write all of
// the memory before it lets the tasks go, and killed when it does not end by that; one that serves
// lazy pages is killed at once, which lets its tasks go; but not one that restored tasks get their
// memory from, which ends when they have it. In place of a criu that was killed the network is
// unlocked. Whatever is still frozen is thawed, and again until criu, which restores the frozen
// state that it was handed, has ended.

#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "base/failure.h"
#include "base/passed_descriptor.h"
#include "base/unique_fd.h"
#include "linux/userfaults.h"
#include "rollback/interrupt.h"
#include "rollback/network_lock.h"

namespace {

using criu_node::NetworkLock;
using criu_node::UniqueFd;

constexpr int kRepeatMs = 5;
constexpr int kRepeats = 60'000 / kRepeatMs;
constexpr int kEndMs = 10'000;
// How often a criu that dumps is made to fail again, and when it is killed instead.
constexpr int kFailEvery = 100 / kRepeatMs;
constexpr int kLastResort = 5'000 / kRepeatMs;
constexpr size_t kMaxMessage = 8192;

// A cgroup that is to be thawed.
struct FrozenCgroup {
  int version = 1;
  UniqueFd control;  // freezer.state or cgroup.freeze
  UniqueFd criu;     // a pidfd, so that a reused pid is not mistaken for it
  bool is_service = false;
};

// Whether a process has ended. One that was gone before it could be looked at has no pidfd.
bool HasEnded(const UniqueFd& process, int wait_ms = 0) {
  if (!process.valid()) return true;
  pollfd fd{process.get(), POLLIN, 0};
  return poll(&fd, 1, wait_ms) > 0;
}

// A criu that is to be made to fail, or to end.
struct WorkingCriu {
  pid_t pid = -1;
  UniqueFd process;  // a pidfd
  bool serves = false;
  bool killed = false;
  NetworkLock lock;

  // Not of one that restored tasks have their memory from: what they lack would read as zeros.
  void Kill() {
    if (criu_node::ServesFaults(pid)) return;
    killed = true;
    // A criu that examines the kernel has a child that sleeps for a quarter of an hour. As long as
    // criu has not been reaped, its number is that of no other group.
    if (getpgid(pid) == pid && !HasEnded(process)) kill(-pid, SIGKILL);
    syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
  }
};

void Thaw(const FrozenCgroup& cgroup) {
  const std::string_view text = cgroup.version == 1 ? "THAWED" : "0";
  [[maybe_unused]] const ssize_t written =
      pwrite(cgroup.control.get(), text.data(), text.size(), 0);
}

// A criu service has no process to look at, only time.
bool HasEnded(const FrozenCgroup& entry) {
  return entry.criu.valid() ? HasEnded(entry.criu) : !entry.is_service;
}

UniqueFd OpenProcess(pid_t pid) {
  return UniqueFd(pid > 0 ? static_cast<int>(syscall(SYS_pidfd_open, pid, 0)) : -1);
}

pid_t ParsePid(std::string_view text) {
  pid_t pid = -1;
  std::from_chars(text.data(), text.data() + text.size(), pid);
  return pid;
}

// Waits for a message, and takes the descriptor that comes with it. Empty when the other side is
// gone.
std::string_view Receive(std::array<char, kMaxMessage>* buffer, UniqueFd* passed) {
  const ssize_t length =
      ReceiveWithDescriptor(STDIN_FILENO, buffer->data(), buffer->size(), passed);
  return {buffer->data(), length > 0 ? static_cast<size_t>(length) : 0};
}

void Remember(std::string_view message, UniqueFd passed,
              std::map<std::string, FrozenCgroup>* watched,
              std::map<std::string, WorkingCriu>* running) {
  const size_t space = message.find(' ');
  if (space == std::string_view::npos) return;
  const std::string_view rest = message.substr(space + 1);
  if (message.starts_with('T')) {
    watched->erase(std::string(rest));
    return;
  }
  if (message.starts_with('E')) {
    running->erase(std::string(rest));
    return;
  }
  const size_t end = std::min(rest.find(' '), rest.size());
  const std::string key(rest.substr(0, end));
  if (message.starts_with('D') || message.starts_with('S')) {
    const pid_t pid = ParsePid(key);
    WorkingCriu& entry = (*running)[key];
    entry = {
        .pid = pid, .process = OpenProcess(pid), .serves = message.starts_with('S'), .lock = {}};
    entry.lock = NetworkLock::Parse(rest.substr(end));
    return;
  }
  if (!message.starts_with('F') || end == rest.size() || !passed.valid()) return;
  const pid_t criu = ParsePid(rest.substr(end + 1));
  (*watched)[key] = {.version = message.substr(1, space - 1) == "2" ? 2 : 1,
                     .control = std::move(passed),
                     .criu = OpenProcess(criu),
                     .is_service = criu <= 0};
}

// Has each criu that still dumps fail, or kills it.
void MakeFail(std::map<std::string, WorkingCriu>* running, bool is_last_resort) {
  for (auto& [name, criu] : *running) {
    if (criu.serves || HasEnded(criu.process)) continue;
    criu_node::ContinueFamily(criu.pid);
    criu_node::FailWrites(criu.pid);
    if (is_last_resort) criu.Kill();
  }
}

}  // namespace

int main() {
  // Whoever stops a service signals all of its processes, and we have to be the last.
  for (const int signal_number : {SIGTERM, SIGINT, SIGHUP}) signal(signal_number, SIG_IGN);
  std::map<std::string, FrozenCgroup> watched;
  std::map<std::string, WorkingCriu> running;
  std::array<char, kMaxMessage> buffer{};
  for (;;) {
    UniqueFd passed;
    const std::string_view message = Receive(&buffer, &passed);
    if (message.empty()) break;
    // One that there is no memory for is lost, and no other.
    static_cast<void>(criu_node::Attempt(
        "guard", [&] { Remember(message, std::move(passed), &watched, &running); }));
  }
  for (auto& [name, criu] : running) {
    if (criu.serves && !HasEnded(criu.process)) criu.Kill();
  }
  const auto is_dumping = [](const auto& item) {
    return !item.second.serves && !HasEnded(item.second.process);
  };
  for (int i = 0; i < kRepeats; ++i) {
    if (watched.empty() && std::ranges::none_of(running, is_dumping)) break;
    if (i % kFailEvery == 0) MakeFail(&running, i >= kLastResort);
    std::erase_if(watched, [](const auto& item) {
      const FrozenCgroup& cgroup = item.second;
      const bool ended = HasEnded(cgroup);  // before the thaw, which is then the last word
      Thaw(cgroup);
      return ended;
    });
    poll(nullptr, 0, kRepeatMs);
  }
  for (auto& [name, criu] : running) {
    // One that served may have ended by itself before it could be killed, for its client was gone.
    const bool is_over =
        criu.killed ? HasEnded(criu.process, kEndMs) : criu.serves && HasEnded(criu.process);
    if (is_over) criu.lock.Remove();
  }
  return 0;
}
