#include "linux/kill_process.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

#include "base/failure.h"
#include "base/unique_fd.h"

namespace criu_node {

namespace {

constexpr int kStartTimeAfterName = 20;  // field 22 of the stat file, of which 2 are before the end

// 0 for a process that is gone.
uint64_t StartTime(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const size_t end = text.rfind(')');
  if (end == text.npos) return 0;
  std::istringstream fields(text.substr(end + 1));
  std::string field;
  for (int i = 0; i < kStartTimeAfterName; ++i) fields >> field;
  return std::strtoull(field.c_str(), nullptr, 10);
}

}  // namespace

bool KillProcess(pid_t pid, uint64_t start_time) {
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  if (!process.valid()) {
    if (errno == ESRCH) return false;
    throw Failure::System("kill", "cannot open process " + std::to_string(pid));
  }
  // The pid had this process before the descriptor was opened, so that it is the descriptor's.
  if (StartTime(pid) != start_time) return false;
  if (syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0) == 0) return true;
  if (errno == ESRCH) return false;
  throw Failure::System("kill", "cannot kill process " + std::to_string(pid));
}

}  // namespace criu_node
