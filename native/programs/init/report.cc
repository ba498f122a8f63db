#include "programs/init/report.h"

#include <sys/socket.h>

#include <array>
#include <cstdio>
#include <cstring>

namespace criu_node::init {

namespace {

constexpr size_t kMostText = 160;
using Text = std::array<char, kMostText>;

void Send(int socket, const char* text, int passed = -1) {
  iovec data{.iov_base = const_cast<char*>(text), .iov_len = strlen(text)};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (passed >= 0) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* const first = CMSG_FIRSTHDR(&header);
    first->cmsg_level = SOL_SOCKET;
    first->cmsg_type = SCM_RIGHTS;
    first->cmsg_len = CMSG_LEN(sizeof(passed));
    std::memcpy(CMSG_DATA(first), &passed, sizeof(passed));
  }
  static_cast<void>(sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT));
}

}  // namespace

void Report::Started(const UniqueFd& criu) const { Send(fd(), "S", criu.get()); }

void Report::Failed(const Fault& fault) const {
  Text text{};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): a stream would need the C++ library
  snprintf(text.data(), text.size(), "E%d %s", fault.error, fault.what);
  Send(fd(), text.data());
}

void Report::Ended(int status) const {
  Text text{};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): as above
  snprintf(text.data(), text.size(), "X%d", status);
  Send(fd(), text.data());
}

}  // namespace criu_node::init
