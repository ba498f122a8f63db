#include "criu/dump_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <string>

#include "base/unique_fd.h"
#include "test.h"

namespace criu_node::test {

namespace {

bool Is(double time, double expected) { return std::abs(time - expected) < 0.0005; }

// As CRIU 4.2 has written it for a container, and a later one would.
constexpr const char* kWhole =
    "(00.000000) Version: 4.2.1 (gitid 0)\n"
    "(00.001305) cg: Set 1 is criu one\n"
    "(00.001786) net: Lock network\n"
    "(00.004000) Dumping task (pid: 81 comm: sh)\n"
    "pie: 1: Daemon waits for command\n"
    "(00.005000) cg: Dumping cgroups for thread 81\n"
    "(00.005250) cg: Set 2 is root one\n"
    "(00.006000) Dumping task (pid: 82 comm: sh)\n"
    "(00.008788) mnt: Dumping mountpoints\n"
    "(00.008790) mnt: \t93: 37:/ @ ./sys/firmware\n"
    "(00.035120) Dumping file-locks\n"
    "(00.035148) Dumping 1(81)'s namespaces\n"
    "(00.037907) Namespaces dump complete\n"
    "(00.037942) cg: Dumping 1 sets\n"
    "(00.037987) cg: Writing CG image\n"
    "(00.038065) Running post-dump scripts\n"
    "(00.038127) net: Unlock network\n"
    "(00.052071) Unfreezing tasks into 1\n"
    "(00.052116) Dumping finished successfully\n";

void TellsOfEachPart() {
  const DumpLog log = ParseDumpLog(kWhole);
  Expect(Is(log.tasks, 4), "the first task counts");
  Expect(Is(log.mounts, 8.788), "mounts are told");
  Expect(Is(log.file_locks, 35.12), "their end is told");
  Expect(Is(log.namespaces, 35.148), "namespaces are told");
  Expect(Is(log.namespaces_done, 37.907), "their end is told");
  Expect(Is(log.lock, 1.786), "the locking is told");
  Expect(Is(log.unlock, 38.127), "the unlocking is told");
  Expect(Is(log.resume, 52.071), "the resuming is told");
  Expect(Is(log.done, 52.116), "the end is told");
  Expect(Is(log.task_cgroups, 0.25), "cgroups of tasks are told, and not those of criu");
  Expect(Is(log.other_cgroups, 0.045), "cgroups at the end are told");
}

void ReadsOlderOnes() {
  const DumpLog log = ParseDumpLog(
      "(00.038127) Unlock network\n"
      "(00.052071) Unfreezing tasks into 6");
  Expect(Is(log.unlock, 38.127), "networks have had no prefix");
  Expect(Is(log.resume, 52.071), "a last line counts that is not whole");
}

void ReadsLongTimes() {
  const DumpLog log = ParseDumpLog("(123.45678) Dumping file-locks\n");
  Expect(Is(log.file_locks, 123'456.78), "a dump may take minutes");
}

void BelievesNoNameOfAFile() {
  std::string text = kWhole;
  const std::string before = "(00.006000)";
  text.replace(text.find("comm: sh"), 8, "comm: s\n(00.000003) ");
  text.insert(text.find(before),
              "(00.005300) Dumping path for 3 [/a\n"
              "(00.000001) mnt: Dumping mountpoints\n"
              "(00.000002) Dumping file-locks\n"
              "(09.000000) Unfreezing tasks into 1\n"
              "mnt: Dumping mountpoints\n"
              "]\n");
  const DumpLog log = ParseDumpLog(text);
  Expect(Is(log.tasks, 4), "a line is believed that a name breaks");
  Expect(Is(log.mounts, 8.788), "a time that has passed is not believed");
  Expect(Is(log.file_locks, 35.12), "nor another one");
  Expect(Is(log.resume, 52.071), "nor one that has not come");
}

void TellsNothingWithoutTimes() {
  for (const char* text : {"", "\n", "(", "(00", "(00.", "(00.1", "(00.1)", "()", "(.) Dumping",
                           "Dumping file-locks\n", "(-1.5) Dumping file-locks\n",
                           "(00.000001) Dumping ", "(00.000001) Dumping )'s namespaces"}) {
    const DumpLog log = ParseDumpLog(text);
    Expect(log.file_locks < 0 && log.namespaces < 0 && log.tasks < 0, "there is nothing to tell");
  }
}

void ReadsOnlyRegularFiles() {
  std::string path = "/tmp/libcriu-dump-log-XXXXXX";
  Expect(mkdtemp(path.data()) != nullptr, "a directory can be made");
  const UniqueFd directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const auto make = [&directory](const char* name) {
    return UniqueFd(openat(directory.get(), name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  };
  const std::string text = kWhole;
  Expect(write(make("log").get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()),
         "a log can be written");
  Expect(symlinkat("log", directory.get(), "link") == 0, "a link can be made");
  Expect(mkfifoat(directory.get(), "fifo", 0600) == 0, "a pipe can be made");
  Expect(ftruncate(make("huge").get(), off_t{1} << 40) == 0, "a large file can be made");
  Expect(static_cast<bool>(ReadDumpLog(directory.get(), "log")), "a log is read");
  for (const char* name : {"link", "fifo", "huge", "none"}) {
    Expect(!ReadDumpLog(directory.get(), name), "what is no log, or too large, is not read");
  }
  for (const char* name : {"log", "link", "fifo", "huge"}) unlinkat(directory.get(), name, 0);
  rmdir(path.c_str());
}

}  // namespace

}  // namespace criu_node::test

int main() {
  using namespace criu_node::test;
  return RunAll({
      {"each part of a dump is told", TellsOfEachPart},
      {"the log of an older criu is read", ReadsOlderOnes},
      {"times are read that take more room", ReadsLongTimes},
      {"the name of a file is not believed", BelievesNoNameOfAFile},
      {"what has no time tells nothing", TellsNothingWithoutTimes},
      {"only regular files are read", ReadsOnlyRegularFiles},
  });
}
