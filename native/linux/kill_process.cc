#include "linux/kill_process.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <string>

#include "base/failure.h"
#include "base/unique_fd.h"
#include "linux/proc_file.h"
#include "linux/proc_text.h"

namespace criu_node {

namespace {

// 0 for a process that is gone.
uint64_t StartTime(pid_t pid) { return proc_text::StartTime(ReadProcFile(pid, "stat")); }

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
