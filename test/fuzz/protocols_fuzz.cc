// /proc/PID/net/protocols: a number of sockets, the name of a protocol, and a text.
#include <string>

#include "fuzz.h"
#include "linux/protocols.h"

namespace {

using criu_node::fuzz::Bytes;
using criu_node::fuzz::Expect;
using criu_node::fuzz::Input;
namespace protocols = criu_node::protocols;

constexpr const char* kHeading = "protocol  size sockets  memory press maxhdr  slab module\n";

bool IsAny(std::string_view /*name*/) { return true; }

// What a socket of a protocol is called does not hide it, nor does what the other lines say.
void FindOne(int sockets, std::string name, const std::string& others) {
  std::erase_if(name, [](char c) { return c == ' ' || c == '\n'; });
  if (name.empty()) return;
  const std::string line = name + " 2304 " + std::to_string(sockets) + " 5 no 192 yes kernel\n";
  Expect(protocols::CountSockets(kHeading + line, IsAny) == sockets, "they are counted");
  const std::string after = kHeading + others + '\n' + line;
  const int counted = protocols::CountSockets(after, IsAny);
  Expect(counted == -1 || counted >= sockets, "they are counted behind other lines, too");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const int sockets = 1 + input.Byte();
  const std::string name = input.Text();
  const Bytes rest = input.Rest();
  const std::string text(rest.begin(), rest.end());
  Expect(protocols::CountSockets(text, IsAny) >= -1, "a count, or unknown");
  FindOne(sockets, name, text);
  return 0;
}
