// Preloaded into criu: for a network namespace it asks the kernel for all tracked connections,
// twice, and for all TCP sockets, twice, and each time the kernel walks the table of the whole
// machine, with the tasks frozen. Where the namespace has none, which the kernel tells at once,
// criu is given the same empty answer without a walk.

#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "linux/protocols.h"
#include "programs/preload/hide_from_children.h"

namespace {

constexpr uint16_t ConntrackMessage(uint16_t type) {
  return static_cast<uint16_t>(NFNL_SUBSYS_CTNETLINK << 8U) | type;
}

// What there is of a file of /proc, if that fits.
template <size_t kSize>
std::string_view Read(const char* path, std::array<char, kSize>* buffer) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): open() is what there is
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return {};
  size_t length = 0;
  ssize_t part = 0;
  while (length < kSize && (part = read(file, buffer->data() + length, kSize - length)) > 0) {
    length += static_cast<size_t>(part);
  }
  close(file);
  return part == 0 && length < kSize ? std::string_view(buffer->data(), length)
                                     : std::string_view();
}

// Whether the present network namespace has no connections, or no TCP sockets.
bool HasNoConnections() {
  std::array<char, 16> buffer{};
  return Read("/proc/sys/net/netfilter/nf_conntrack_count", &buffer) == "0\n";
}

bool HasNoTcp() {
  std::array<char, 16384> buffer{};
  const std::string_view text = Read("/proc/thread-self/net/protocols", &buffer);
  return criu_node::protocols::CountSockets(text, criu_node::protocols::IsTcp) == 0;
}

int OptionOf(int socket, int name) {
  int value = -1;
  socklen_t length = sizeof(value);
  return getsockopt(socket, SOL_SOCKET, name, &value, &length) == 0 ? value : -1;
}

bool IsNetlink(int socket, int protocol) {
  return OptionOf(socket, SO_DOMAIN) == AF_NETLINK && OptionOf(socket, SO_PROTOCOL) == protocol;
}

// What `look` says in the network namespace of a socket, which criu may have opened in another one
// than it is in by now; false where it cannot be told.
template <typename Look>
bool InNetworkOf(int socket, const Look& look) {
  // NOLINTBEGIN(cppcoreguidelines-pro-type-vararg): ioctl() and open() are what there is
  const int network = ioctl(socket, SIOCGSKNS);
  const int ours = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  // NOLINTEND(cppcoreguidelines-pro-type-vararg)
  bool found = false;
  if (network >= 0 && ours >= 0 && setns(network, CLONE_NEWNET) == 0) {
    found = look();
    // In the wrong namespace criu would save something else. Its end lets the tasks go.
    if (setns(ours, CLONE_NEWNET) != 0) abort();
  }
  if (network >= 0) close(network);
  if (ours >= 0) close(ours);
  return found;
}

// A request for a list is changed so that the kernel finds nothing at once, and says so in the same
// form.
class Question {
 public:
  explicit Question(const msghdr& message) {
    if (message.msg_iovlen != 1 || message.msg_iov->iov_len < sizeof(nlmsghdr)) return;
    bytes_ = static_cast<uint8_t*>(message.msg_iov->iov_base);
    length_ = message.msg_iov->iov_len;
    memcpy(&header_, bytes_, sizeof(header_));
    asks_for_all_ = (header_.nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
  }

  void AnswerAtOnceIfEmpty(int socket) {
    if (!asks_for_all_) return;
    if (IsForConnections() && IsNetlink(socket, NETLINK_NETFILTER) &&
        InNetworkOf(socket, HasNoConnections)) {
      // The kernel does not list any more those that are not confirmed yet.
      header_.nlmsg_type = ConntrackMessage(IPCTNL_MSG_CT_GET_UNCONFIRMED);
      memcpy(bytes_, &header_, sizeof(header_));
    }
    if (IsForTcp() && IsNetlink(socket, NETLINK_SOCK_DIAG) && InNetworkOf(socket, HasNoTcp)) {
      // There is no socket that is in no state.
      const uint32_t no_state = 0;
      memcpy(bytes_ + NLMSG_HDRLEN + offsetof(inet_diag_req_v2, idiag_states), &no_state,
             sizeof(no_state));
    }
  }

 private:
  // criu's second request of this kind means to ask for those that are expected, of which there are
  // none either without a connection that expects them.
  [[nodiscard]] bool IsForConnections() const {
    return header_.nlmsg_type == ConntrackMessage(IPCTNL_MSG_CT_GET);
  }

  [[nodiscard]] bool IsForTcp() const {
    inet_diag_req_v2 request{};
    if (header_.nlmsg_type != SOCK_DIAG_BY_FAMILY || length_ < NLMSG_HDRLEN + sizeof(request)) {
      return false;
    }
    memcpy(&request, bytes_ + NLMSG_HDRLEN, sizeof(request));
    return (request.sdiag_family == AF_INET || request.sdiag_family == AF_INET6) &&
           request.sdiag_protocol == IPPROTO_TCP;
  }

  uint8_t* bytes_ = nullptr;
  size_t length_ = 0;
  nlmsghdr header_{};
  bool asks_for_all_ = false;
};

}  // namespace

extern "C" __attribute__((visibility("default"))) ssize_t sendmsg(int socket, const msghdr* message,
                                                                  int flags) {
  Question(*message).AnswerAtOnceIfEmpty(socket);
  return syscall(SYS_sendmsg, socket, message, flags);
}
