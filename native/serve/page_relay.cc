#include "serve/page_relay.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "base/failure.h"
#include "base/thread.h"
#include "linux/keep_alive.h"

namespace criu_node {

namespace {

constexpr size_t kBuffer = 1024UL * 1024;
// How often whoever waits for the end looks whether it is given up.
constexpr std::chrono::milliseconds kLookInterval{20};

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

// One direction: what one side has sent and the other has not taken yet. Never waits, so that a
// side that does not read holds up only what is sent to it.
//
// Owner: the relay's thread. Thread: its own.
class Flow {
 public:
  Flow(int from, int to) : from_(from), to_(to), buffer_(kBuffer) {}

  [[nodiscard]] bool wants_to_read() const { return begin_ == end_ && !is_ended_; }
  [[nodiscard]] bool wants_to_write() const { return begin_ != end_; }
  // Whether one side has no more to say and the other has taken all of it, or takes no more.
  [[nodiscard]] bool is_over() const { return is_broken_ || (is_ended_ && begin_ == end_); }

  // What has come, to be looked at before the next call.
  std::span<const char> Read() {
    const ssize_t length = recv(from_, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (length < 0 && IsTransient()) return {};
    if (length <= 0) {
      is_ended_ = true;
      return {};
    }
    begin_ = 0;
    end_ = static_cast<size_t>(length);
    return {buffer_.data(), end_};
  }

  void Write() {
    const ssize_t length =
        send(to_, buffer_.data() + begin_, end_ - begin_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (length >= 0) {
      begin_ += static_cast<size_t>(length);
    } else if (!IsTransient()) {
      is_broken_ = true;
    }
  }

 private:
  static bool IsTransient() { return errno == EAGAIN || errno == EINTR; }

  int from_;
  int to_;
  std::vector<char> buffer_;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool is_ended_ = false;
  bool is_broken_ = false;
};

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

void PageRelay::Finish(const std::function<bool()>& is_given_up) {
  {
    std::unique_lock lock(mutex_);
    while (!over_.wait_for(lock, kLookInterval, [this] { return is_over_; })) {
      if (is_given_up()) Break();
    }
  }
  thread_.join();
}

void PageRelay::Break() {
  broken_ = true;
  eventfd_write(stop_.get(), 1);
}

void PageRelay::Run(Listener listener) noexcept {
  // Without memory to go on the connection is broken off, as for a client that is not done.
  const auto failure = Attempt("listen", [&] {
    const UniqueFd client = AwaitClient(std::move(listener), stop_.get());
    if (!client.valid()) return;
    has_client_ = true;
    KeepAlive(client.get());
    Relay(client);
  });
  if (!failure && !broken_ && has_client_ && (protocol_ == Protocol::kTls || IsDone())) {
    // criu may have more to say than we have to hear; the end is to be an end.
    const linger orderly{};
    setsockopt(ours_.get(), SOL_SOCKET, SO_LINGER, &orderly, sizeof(orderly));
  }
  ours_.Reset();
  const std::lock_guard lock(mutex_);
  is_over_ = true;
  over_.notify_all();
}

// Hands on what either side says until one of them has no more to say.
void PageRelay::Relay(const UniqueFd& client) {
  Flow requests(client.get(), ours_.get());
  Flow pages(ours_.get(), client.get());
  const auto watch = [](int fd, const Flow& from, const Flow& to) {
    const int events = (from.wants_to_read() ? POLLIN : 0) | (to.wants_to_write() ? POLLOUT : 0);
    // An end that nothing is wanted of would be told again and again.
    return pollfd{events == 0 ? -1 : fd, static_cast<int16_t>(events), 0};
  };
  while (!requests.is_over() && !pages.is_over()) {
    std::array<pollfd, 3> fds{{{stop_.get(), POLLIN, 0},
                               watch(client.get(), requests, pages),
                               watch(ours_.get(), pages, requests)}};
    if (poll(fds.data(), fds.size(), -1) < 0) continue;  // EINTR
    if (fds[0].revents != 0) return;
    if (fds[2].revents != 0 && pages.wants_to_read()) pages.Read();
    if (fds[1].revents != 0 && requests.wants_to_read()) {
      const auto came = requests.Read();
      Remember(came.data(), came.size());
    }
    if (pages.wants_to_write()) pages.Write();
    if (requests.wants_to_write()) requests.Write();
  }
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
