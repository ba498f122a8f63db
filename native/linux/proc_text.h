#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string_view>
#include <vector>

// What files in /proc say. Each function takes the text of one of them, as it was read: parts of
// it, such as a process's name or the path of a cgroup, are not the kernel's.
namespace criu_node::proc_text {

// Whether a signal is in one of the sets of /proc/PID/status: SigIgn, SigCgt.
bool HasSignal(std::string_view status, std::string_view set, int signal_number);

// The pids in /proc/PID/task/TID/children.
std::vector<pid_t> Children(std::string_view children);

// The pid of a process in its own pid namespace, from /proc/PID/status; -1 where there is none.
pid_t InnermostPid(std::string_view status);

// R, S, D, T ... of /proc/PID/stat; X where there is none.
char State(std::string_view stat);

// When a process has started, in clock ticks, from /proc/PID/stat; 0 where it does not say so.
uint64_t StartTime(std::string_view stat);

// From /proc/PID/syscall the descriptor at which a process waits in a system call for a socket; -1
// when it does not.
int AwaitedDescriptor(std::string_view syscall);

// Whether a process with this /proc/PID/cgroup is in a cgroup or below it. `place` is the line of
// one that is in the cgroup itself.
bool IsInCgroup(std::string_view cgroups, std::string_view place);

}  // namespace criu_node::proc_text
