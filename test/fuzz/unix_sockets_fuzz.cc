// What the kernel tells of unix sockets: datagrams, each in a chunk.
#include "fuzz.h"
#include "linux/unix_sockets.h"

namespace {

using criu_node::fuzz::Bytes;
using criu_node::fuzz::Expect;
using criu_node::fuzz::Input;
using criu_node::fuzz::NoDescriptorIsLeft;
using criu_node::fuzz::Pair;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const NoDescriptorIsLeft none_is_left;
  Input input(data, size);
  Pair kernel;
  while (!input.empty()) {
    const Bytes datagram = input.Chunk();
    send(kernel.theirs.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  shutdown(kernel.theirs.get(), SHUT_WR);
  const auto sockets = criu_node::ReceiveUnixSockets(kernel.ours);
  if (!sockets) return 0;
  size_t told = 0;
  for (const auto& socket : *sockets) told += socket.name.size() + socket.ends.size();
  Expect(sockets->size() + told <= size, "no more is told than was said");
  return 0;
}
