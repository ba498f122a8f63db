// Files of /proc: a byte that says which, and its text.
#include <string>

#include "fuzz.h"
#include "linux/proc_text.h"

namespace {

using criu_node::fuzz::Bytes;
using criu_node::fuzz::Expect;
using criu_node::fuzz::Input;
namespace proc_text = criu_node::proc_text;

// A process may have any name; what stands behind it is to be found all the same.
void ReadStat(const std::string& name) {
  const std::string stat = "17 (" + name +
                           ") T 1 17 17 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 4711 1 1 "
                           "18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0";
  Expect(proc_text::State(stat) == 'T', "a name does not hide the state");
  Expect(proc_text::StartTime(stat) == 4711, "a name does not hide the start");
}

void ReadCgroup(const std::string& text, const std::string& place) {
  const bool is_in = proc_text::IsInCgroup(text, place);
  if (place.empty() || place.find('\n') != place.npos) return;
  Expect(proc_text::IsInCgroup(text + '\n' + place + "/below\n", place), "it is below");
  Expect(is_in == proc_text::IsInCgroup(text + '\n', place), "the last line needs no end");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const uint8_t which = input.Byte();
  const std::string first = input.Text();
  const Bytes rest = input.Rest();
  const std::string text(rest.begin(), rest.end());
  switch (which % 6) {
    case 0:
      proc_text::HasSignal(text, "SigIgn", 1 + static_cast<int>(which / 6 % 64));
      proc_text::InnermostPid(text);
      break;
    case 1:
      for (const pid_t pid : proc_text::Children(text)) Expect(pid > 0, "a child is one process");
      break;
    case 2:
      proc_text::State(text);
      proc_text::StartTime(text);
      break;
    case 3:
      proc_text::AwaitedDescriptor(text);
      break;
    case 4:
      ReadStat(text);
      break;
    default:
      ReadCgroup(text, first);
  }
  return 0;
}
