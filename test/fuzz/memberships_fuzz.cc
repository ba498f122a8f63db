// What the kernel tells of the memberships of sockets: datagrams, each in a chunk, behind a byte
// that says of which family they are.
#include "fuzz.h"
#include "linux/memberships.h"

namespace {

using criu_node::fuzz::Bytes;
using criu_node::fuzz::Expect;
using criu_node::fuzz::Input;
using criu_node::fuzz::NoDescriptorIsLeft;
using criu_node::fuzz::Pair;

size_t Told(const criu_node::NetlinkMemberships& socket) { return socket.groups.size(); }
size_t Told(const criu_node::PacketMemberships& socket) { return socket.counts.size(); }

template <typename Sockets>
void ExpectNoMore(const Sockets& sockets, size_t size) {
  size_t told = sockets.size();
  for (const auto& socket : sockets) told += Told(socket);
  Expect(told <= size, "no more is told than was said");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const NoDescriptorIsLeft none_is_left;
  Input input(data, size);
  const bool is_packet = input.Byte() != 0;
  Pair kernel;
  while (!input.empty()) {
    const Bytes datagram = input.Chunk();
    send(kernel.theirs.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  shutdown(kernel.theirs.get(), SHUT_WR);
  if (is_packet) {
    ExpectNoMore(criu_node::ReceivePacketMemberships(kernel.ours), size);
  } else {
    ExpectNoMore(criu_node::ReceiveNetlinkMemberships(kernel.ours), size);
  }
  return 0;
}
