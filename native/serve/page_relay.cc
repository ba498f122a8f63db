#include "serve/page_relay.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <tuple>
#include <utility>
#include <vector>

#include "base/failure.h"
#include "base/thread.h"
#include "linux/keep_alive.h"

namespace criu_node {

namespace {

constexpr size_t kBuffer = 1024UL * 1024;

// CRIU's PS_IOV_CLOSE and PS_IOV_FORCE_CLOSE, in a record that is empty otherwise. Records have 32
// bytes, and 24 before CRIU 4.
constexpr std::array<uint32_t, 2> kClosing{0x1023, 0x1024};
constexpr std::array<size_t, 2> kRecordSizes{32, 24};

sockaddr_in NameOf(int socket, int (*ask)(int, sockaddr*, socklen_t*)) {
  sockaddr_in name{};
  socklen_t length = sizeof(name);
  if (ask(socket, reinterpret_cast<sockaddr*>(&name), &length) != 0) name = {};
  return name;
}

// Makes the two ends of one TCP connection: criu sets options on its own that no other kind of
// socket has.
std::pair<UniqueFd, UniqueFd> MakeTcpPair() {
  Listener listener = Listen("127.0.0.1", 0);
  const auto failed = [] {
    return Failure::System("listen", "cannot connect to ourselves (is the interface lo up?)");
  };
  UniqueFd ours(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP));
  const sockaddr_in place = NameOf(listener.socket.get(), getsockname);
  if (connect(ours.get(), reinterpret_cast<const sockaddr*>(&place), sizeof(place)) != 0) {
    throw failed();
  }
  const sockaddr_in us = NameOf(ours.get(), getsockname);
  for (;;) {
    UniqueFd theirs(accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!theirs.valid()) {
      pollfd wait{listener.socket.get(), POLLIN, 0};
      if (errno != EAGAIN || poll(&wait, 1, 1000) <= 0) throw failed();
      continue;
    }
    // Somebody else may have been faster.
    if (NameOf(theirs.get(), getpeername).sin_port == us.sin_port) {
      return {std::move(ours), std::move(theirs)};
    }
  }
}

bool SendAll(int socket, const char* data, size_t length) {
  while (length > 0) {
    const ssize_t sent = send(socket, data, length, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    data += sent;
    length -= static_cast<size_t>(sent);
  }
  return true;
}

}  // namespace

PageRelay::PageRelay(Listener listener, Protocol protocol)
    : protocol_(protocol), stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!stop_.valid()) throw Failure::System("listen", "cannot make an eventfd");
  std::tie(ours_, theirs_) = MakeTcpPair();
  // The connection is to be broken off also when the whole process is killed.
  const linger reset{.l_onoff = 1, .l_linger = 0};
  setsockopt(ours_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  thread_ = StartThread(
      "criu-pages", [this, listener = std::move(listener)]() mutable { Run(std::move(listener)); });
}

PageRelay::~PageRelay() {
  if (!thread_.joinable()) return;
  Break();
  thread_.join();
}

void PageRelay::Finish() { thread_.join(); }

void PageRelay::Break() {
  const std::lock_guard lock(mutex_);
  broken_ = true;
  eventfd_write(stop_.get(), 1);
  if (client_ >= 0) shutdown(client_, SHUT_RDWR);  // it may be what we wait for
}

void PageRelay::Run(Listener listener) {
  const UniqueFd client = AwaitClient(std::move(listener), stop_.get());
  if (client.valid()) {
    KeepAlive(client.get());
    {
      const std::lock_guard lock(mutex_);
      client_ = client.get();
    }
    Relay(client);
    const std::lock_guard lock(mutex_);
    client_ = -1;
  }
  const std::lock_guard lock(mutex_);
  if (!broken_ && client.valid() && (protocol_ == Protocol::kTls || IsDone())) {
    // criu may have more to say than we have to hear; the end is to be an end.
    const linger orderly{};
    setsockopt(ours_.get(), SOL_SOCKET, SO_LINGER, &orderly, sizeof(orderly));
  }
  ours_.Reset();
}

// Hands on what either side says until one of them has no more to say.
void PageRelay::Relay(const UniqueFd& client) {
  std::array<pollfd, 3> fds{
      {{stop_.get(), POLLIN, 0}, {client.get(), POLLIN, 0}, {ours_.get(), POLLIN, 0}}};
  for (;;) {
    if (poll(fds.data(), fds.size(), -1) < 0) continue;  // EINTR
    if (fds[0].revents != 0) return;
    if (fds[2].revents != 0 && !Forward(ours_, client, false)) return;
    if (fds[1].revents != 0 && !Forward(client, ours_, true)) return;
  }
}

bool PageRelay::Forward(const UniqueFd& from, const UniqueFd& to, bool is_client) {
  thread_local std::vector<char> buffer(kBuffer);
  const ssize_t length = recv(from.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (length <= 0) return false;
  const auto size = static_cast<size_t>(length);
  if (is_client) Remember(buffer.data(), size);
  return SendAll(to.get(), buffer.data(), size);
}

void PageRelay::Remember(const char* data, size_t length) {
  if (length < last_.size()) {
    std::rotate(last_.begin(), last_.begin() + static_cast<ptrdiff_t>(length), last_.end());
    std::copy_n(data, length, last_.end() - static_cast<ptrdiff_t>(length));
  } else {
    std::copy_n(data + length - last_.size(), last_.size(), last_.begin());
  }
}

bool PageRelay::IsDone() const {
  return std::ranges::any_of(kRecordSizes, [this](size_t size) {
    const char* record = last_.data() + last_.size() - size;
    uint32_t command = 0;
    std::memcpy(&command, record, sizeof(command));
    return std::ranges::find(kClosing, command) != kClosing.end() &&
           std::all_of(record + sizeof(command), record + size,
                       [](char byte) { return byte == 0; });
  });
}

}  // namespace criu_node
