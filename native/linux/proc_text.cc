#include "linux/proc_text.h"

#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/words.h"

namespace criu_node::proc_text {

namespace {

// Among the fields of /proc/PID/stat that follow the name, from 0.
constexpr int kStateField = 0;
constexpr int kStartTimeField = 19;

// A field of /proc/PID/stat behind the name, in which there may be spaces and parentheses.
std::string_view FieldAfterName(std::string_view stat, int number) {
  const size_t name_end = stat.rfind(')');
  if (name_end == std::string_view::npos) return {};
  stat.remove_prefix(name_end + 1);
  for (int i = 0; i < number; ++i) words::Take(&stat);
  return words::Take(&stat);
}

// What stands behind a name in /proc/PID/status; empty where there is no such line.
std::string_view StatusValue(std::string_view status, std::string_view name) {
  while (!status.empty()) {
    std::string_view line = status.substr(0, status.find('\n'));
    status.remove_prefix(std::min(line.size() + 1, status.size()));
    if (!line.starts_with(name) || !line.substr(name.size()).starts_with(':')) continue;
    line.remove_prefix(name.size() + 1);
    return line;
  }
  return {};
}

// The position of the descriptor among a system call's arguments.
std::optional<size_t> DescriptorArgument(int64_t system_call) {
  switch (system_call) {
    case SYS_splice:
      return 2;
    case SYS_connect:
    case SYS_read:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_sendmsg:
    case SYS_sendto:
    case SYS_write:
      return 0;
    default:
      return std::nullopt;
  }
}

}  // namespace

bool HasSignal(std::string_view status, std::string_view set, int signal_number) {
  std::string_view value = StatusValue(status, set);
  const uint64_t mask = words::Number<uint64_t>(words::Take(&value), 16).value_or(0);
  return (mask >> static_cast<unsigned>(signal_number - 1) & 1U) != 0;
}

pid_t InnermostPid(std::string_view status) {
  std::string_view value = StatusValue(status, "NSpid");
  pid_t innermost = -1;
  while (const auto pid = words::Number<pid_t>(words::Take(&value))) innermost = *pid;
  return innermost;
}

std::vector<pid_t> Children(std::string_view children) {
  std::vector<pid_t> pids;
  while (const auto pid = words::Number<pid_t>(words::Take(&children))) {
    // What is not above 0 is no process to a system call, but many of them.
    if (*pid > 0) pids.push_back(*pid);
  }
  return pids;
}

char State(std::string_view stat) {
  const std::string_view state = FieldAfterName(stat, kStateField);
  return state.empty() ? 'X' : state.front();
}

uint64_t StartTime(std::string_view stat) {
  return words::Number<uint64_t>(FieldAfterName(stat, kStartTimeField)).value_or(0);
}

int AwaitedDescriptor(std::string_view syscall) {
  // It says "running" of a process that waits for nothing.
  const auto number = words::Number<int64_t>(words::Take(&syscall));
  const auto position = number ? DescriptorArgument(*number) : std::nullopt;
  if (!position) return -1;
  std::array<std::string_view, 3> arguments;
  for (auto& argument : arguments) argument = words::Take(&syscall);
  std::string_view text = arguments.at(*position);
  if (!text.starts_with("0x")) return -1;
  text.remove_prefix(2);
  // A register has 64 bits, of which a descriptor is the lower half.
  const auto value = words::Number<uint64_t>(text, 16);
  return value ? static_cast<int>(static_cast<uint32_t>(*value)) : -1;
}

bool IsInCgroup(std::string_view cgroups, std::string_view place) {
  for (size_t at = cgroups.find(place); at != std::string_view::npos;
       at = cgroups.find(place, at + 1)) {
    const size_t end = at + place.size();
    const bool starts = at == 0 || cgroups[at - 1] == '\n';
    const bool ends = end == cgroups.size() || cgroups[end] == '\n' || cgroups[end] == '/';
    if (starts && ends) return true;
  }
  return false;
}

}  // namespace criu_node::proc_text
