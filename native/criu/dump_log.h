#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace criu_node {

// When CRIU came to the parts of a dump, in milliseconds since it got the request, by its log's own
// clock; negative where the log does not tell it. All of these lines are of log level 3.
struct DumpLog {
  double lock = -1;        // the tasks are frozen, and the network is locked
  double tasks = -1;       // the first task is saved
  double mounts = -1;      // the mounts of the first namespace are saved
  double file_locks = -1;  // tasks and mounts are saved
  double namespaces = -1;  // the other namespaces are saved
  double namespaces_done = -1;
  double unlock = -1;  // the network is unlocked
  double resume = -1;  // the tasks go on, or end
  double done = -1;
  // What was spent on cgroups while tasks were saved, and afterwards.
  double task_cgroups = 0;
  double other_cgroups = 0;
};

// Reads what the text of a log tells. A line is only believed with a time between those of its
// neighbours: the names of files stand in a log as they are, and do not know the time.
DumpLog ParseDumpLog(std::string_view text);

// The same for a file in a directory, unless it is so large that reading it would take time, or not
// there.
std::optional<DumpLog> ReadDumpLog(int directory, const std::string& name);

}  // namespace criu_node
