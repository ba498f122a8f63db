#pragma once

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/unique_fd.h"

namespace criu_node {

// Messages of a unix socket that may have a descriptor with them.

// Never waits: the socket of one that reads has room.
inline bool SendWithDescriptor(int socket, std::string_view text, int passed = -1) noexcept {
  // What is sent is not written to.
  iovec data{.iov_base = const_cast<char*>(text.data()), .iov_len = text.size()};
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
  return sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(text.size());
}

// The descriptor that came with a message, if any. There is room for more than one, and all that
// came are ours to close.
inline UniqueFd PassedDescriptor(msghdr* header) {
  const cmsghdr* control = CMSG_FIRSTHDR(header);
  if (control == nullptr || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) {
    return {};
  }
  UniqueFd first;
  for (size_t at = CMSG_LEN(0); at + sizeof(int) <= control->cmsg_len; at += sizeof(int)) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(control) + (at - CMSG_LEN(0)), sizeof(fd));
    UniqueFd passed(fd);
    if (!first.valid()) first = std::move(passed);
  }
  return first;
}

// Waits for a message of at most `size` bytes, and takes the descriptor that comes with it. Gives
// its length; 0 when the other side is gone, and -1 after an error.
inline ssize_t ReceiveWithDescriptor(int socket, void* bytes, size_t size, UniqueFd* passed) {
  iovec data{.iov_base = bytes, .iov_len = size};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t length = 0;
  do {
    length = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (length < 0 && errno == EINTR);
  if (length >= 0) *passed = PassedDescriptor(&header);
  return length;
}

}  // namespace criu_node
