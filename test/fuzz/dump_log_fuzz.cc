// A log of CRIU's, in which names of files and processes stand as they are.
#include <string_view>

#include "criu/dump_log.h"
#include "fuzz.h"

using criu_node::fuzz::Expect;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto log = criu_node::ParseDumpLog({reinterpret_cast<const char*>(data), size});
  constexpr double kLatest = 1e12;  // milliseconds of nine digits of seconds
  for (const double time : {log.lock, log.tasks, log.mounts, log.file_locks, log.namespaces,
                            log.namespaces_done, log.unlock, log.resume, log.done}) {
    Expect(time == -1 || (time >= 0 && time < kLatest), "a time is one that can be written");
  }
  Expect(log.task_cgroups >= 0 && log.other_cgroups >= 0, "what was spent is not negative");
  Expect(log.task_cgroups + log.other_cgroups < kLatest, "it is no longer than the log");
  return 0;
}
