// What criu is asked and what it says: the request, then for each message of criu a byte that says
// with how many descriptors it comes, and the message.
#include <cstring>

#include "base/failure.h"
#include "criu/channel.h"
#include "criu/rpc.h"
#include "fuzz.h"

namespace {

using criu_node::CancelSwitch;
using criu_node::Channel;
using criu_node::Failure;
using criu_node::Notification;
using criu_node::Reply;
using criu_node::UniqueFd;
using criu_node::Verdict;
using criu_node::fuzz::Bytes;
using criu_node::fuzz::Expect;
using criu_node::fuzz::Input;
using criu_node::fuzz::NoDescriptorIsLeft;
using criu_node::fuzz::Pair;
namespace rpc = criu_node::rpc;
namespace wire = criu_node::wire;

constexpr size_t kMaxDescriptors = 3;
constexpr uint8_t kGoesOn = 1;
constexpr uint8_t kRefuses = 2;
constexpr uint8_t kIsCancelled = 4;

void Send(int socket, Bytes message, size_t descriptors) {
  iovec data{.iov_base = const_cast<uint8_t*>(message.data()), .iov_len = message.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kMaxDescriptors)> control{};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (descriptors > 0) {
    header.msg_control = control.data();
    header.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors);
    cmsghdr* const passed = CMSG_FIRSTHDR(&header);
    passed->cmsg_level = SOL_SOCKET;
    passed->cmsg_type = SCM_RIGHTS;
    passed->cmsg_len = CMSG_LEN(sizeof(int) * descriptors);
    const std::array<int, kMaxDescriptors> copies{socket, socket, socket};
    std::memcpy(CMSG_DATA(passed), copies.data(), sizeof(int) * descriptors);
  }
  sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const NoDescriptorIsLeft none_is_left;
  Input input(data, size);
  const uint8_t how = input.Byte();
  Pair criu;
  const Bytes request = input.Chunk();
  while (!input.empty()) {
    const size_t descriptors = input.Byte() % (kMaxDescriptors + 1);
    Send(criu.theirs.get(), input.Chunk(), descriptors);
  }
  shutdown(criu.theirs.get(), SHUT_WR);
  CancelSwitch cancel;
  if ((how & kIsCancelled) != 0) cancel.Set(CancelSwitch::Level::kVeto);
  Channel channel(criu.ours.get(), -1, -1, cancel);
  Reply reply;
  try {
    reply = channel.Run(
        wire::Bytes(request.begin(), request.end()), (how & kGoesOn) != 0,
        [how](const Notification& /*notification*/) {
          return (how & kRefuses) != 0 ? Verdict::Veto()
                                       : Verdict{.go_on = true, .external = {"a"}};
        },
        [] { return true; });
  } catch (const Failure&) {
    Expect(!reply.received, "there is no reply beside a failure");
  }
  Expect(reply.received || !reply.success, "a success was said by criu");
  return 0;
}
