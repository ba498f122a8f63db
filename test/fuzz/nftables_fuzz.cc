// What the kernel answers about tables, and what it tells of new ones: datagrams, each in a chunk.
#include <map>
#include <set>
#include <string>

#include "fuzz.h"
#include "linux/nftables.h"

namespace {

using criu_node::fuzz::Bytes;
using criu_node::fuzz::Expect;
using criu_node::fuzz::Input;
using criu_node::fuzz::NoDescriptorIsLeft;
using criu_node::fuzz::Pair;

const std::string kPrefix = "CRIU-";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const NoDescriptorIsLeft none_is_left;
  Input input(data, size);
  const uint8_t which = input.Byte();
  Pair kernel;
  while (!input.empty()) {
    const Bytes datagram = input.Chunk();
    send(kernel.theirs.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  shutdown(kernel.theirs.get(), SHUT_WR);
  switch (which % 4) {
    case 0:
      criu_node::HasNftables(kernel.ours);
      break;
    case 1:
      for (const std::string& name : criu_node::ListTables(kernel.ours, kPrefix)) {
        Expect(name.starts_with(kPrefix), "a table of another kind is left out");
        Expect(name.find('\0') == name.npos, "a name ends where the kernel ends it");
      }
      break;
    case 2:
      for (const auto& [name, maker] : criu_node::FollowedTables(kernel.ours, kPrefix)) {
        Expect(name.starts_with(kPrefix), "a table of another kind is left out");
      }
      break;
    default:
      criu_node::DeleteTable(kernel.ours, "CRIU-1");
  }
  return 0;
}
