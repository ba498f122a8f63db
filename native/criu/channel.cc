#include "criu/channel.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

#include "base/failure.h"
#include "base/passed_descriptor.h"
#include "criu/rpc.h"

namespace criu_node {

namespace {

using std::chrono::steady_clock;

// How many answers are sent ahead when they are known: one for each notification of a dump, and
// some more.
constexpr int kAnswersAhead = 8;

// How long CRIU is given to notify after a cancel, and between interrupts. What it does between two
// notifications takes a few milliseconds, but for the freezing, the memory and the archives of
// tmpfs mounts.
constexpr std::chrono::milliseconds kGrace{20};
constexpr std::chrono::milliseconds kRepeat{100};
// How long what CRIU says can put an interrupt off.
constexpr std::chrono::milliseconds kMostGrace{300};
// How often criu is looked at while nothing is wrong.
constexpr std::chrono::seconds kLook{1};

// Never waits: whoever reads what it is sent leaves room for the next message.
bool Send(int socket, std::span<const uint8_t> message) {
  ssize_t result = 0;
  do {
    result = send(socket, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (result < 0 && errno == EINTR);
  return result == static_cast<ssize_t>(message.size());
}

// When criu is looked at next.
class LookTime {
 public:
  [[nodiscard]] int WaitMs() const {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(next_ - steady_clock::now());
    return static_cast<int>(std::max<int64_t>(left.count(), 0));
  }
  [[nodiscard]] bool IsDue() const { return steady_clock::now() >= next_; }

  void AfterLook(bool is_cancelled) { Set(is_cancelled ? kRepeat : kLook); }
  void AfterCancel() { Set(kGrace); }
  // CRIU has said something, and been refused what it was about to do.
  void AfterRefusal() { next_ = std::min(latest_, std::max(next_, steady_clock::now() + kGrace)); }

 private:
  void Set(steady_clock::duration wait) {
    const auto now = steady_clock::now();
    next_ = now + wait;
    latest_ = now + std::max<steady_clock::duration>(wait, kMostGrace);
  }

  steady_clock::time_point next_ = steady_clock::now() + kLook;
  steady_clock::time_point latest_ = next_;
};

// Whether receiving is to be tried again. ECONNRESET is told once, ahead of what came before it:
// the other side has gone without reading all of ours.
bool MeansAgain(int error) { return error == EINTR || error == ECONNRESET; }

// What the kernel has as an errno; 0 for anything else.
int KnownErrno(int number) {
  constexpr int kLast = 4095;
  return number > 0 && number <= kLast ? number : 0;
}

struct Response {
  uint64_t type = rpc::criu_req_type::kEmpty;
  Reply reply;
  Notification notification;
};

// Each of these gives nothing when the bytes are not a whole message.
std::optional<CriuVersion> ParseVersion(std::span<const uint8_t> bytes) {
  CriuVersion version;
  wire::Reader reader(bytes);
  while (auto field = reader.Next()) {
    switch (field->number) {
      case rpc::criu_version::kMajorNumber:
        version.major = field->AsInt();
        break;
      case rpc::criu_version::kMinorNumber:
        version.minor = field->AsInt();
        break;
      case rpc::criu_version::kGitid:
        version.git_id = field->AsString();
        break;
      case rpc::criu_version::kSublevel:
        version.sublevel = field->AsInt();
        break;
      case rpc::criu_version::kName:
        version.name = field->AsString();
        break;
      default:
        break;
    }
  }
  if (reader.malformed()) return std::nullopt;
  return version;
}

std::optional<CriuFeatures> ParseFeatures(std::span<const uint8_t> bytes) {
  CriuFeatures features;
  wire::Reader reader(bytes);
  while (auto field = reader.Next()) {
    switch (field->number) {
      case rpc::criu_features::kMemTrack:
        features.mem_track = field->AsBool();
        break;
      case rpc::criu_features::kLazyPages:
        features.lazy_pages = field->AsBool();
        break;
      case rpc::criu_features::kPidfdStore:
        features.pidfd_store = field->AsBool();
        break;
      default:
        break;
    }
  }
  if (reader.malformed()) return std::nullopt;
  return features;
}

std::optional<Notification> ParseNotification(std::span<const uint8_t> bytes) {
  Notification notification;
  wire::Reader reader(bytes);
  while (auto field = reader.Next()) {
    if (field->number == rpc::criu_notify::kScript) notification.script = field->AsString();
    if (field->number == rpc::criu_notify::kPid) notification.pid = field->AsInt();
  }
  if (reader.malformed()) return std::nullopt;
  return notification;
}

// The number in one field of a message; 0 without that field.
std::optional<uint64_t> NumberIn(std::span<const uint8_t> bytes, uint32_t number) {
  uint64_t found = 0;
  wire::Reader reader(bytes);
  while (auto field = reader.Next()) {
    if (field->number == number) found = field->varint;
  }
  if (reader.malformed()) return std::nullopt;
  return found;
}

std::optional<Response> ParseResponse(std::span<const uint8_t> bytes) {
  Response response;
  Reply& reply = response.reply;
  bool is_readable = true;
  // The value of a field that is a message itself.
  const auto inner = [&is_readable](auto parsed) {
    is_readable = is_readable && parsed.has_value();
    return std::move(parsed).value_or(typename decltype(parsed)::value_type{});
  };
  wire::Reader reader(bytes);
  while (auto field = reader.Next()) {
    switch (field->number) {
      case rpc::criu_resp::kType:
        response.type = field->varint;
        break;
      case rpc::criu_resp::kSuccess:
        reply.success = field->AsBool();
        break;
      case rpc::criu_resp::kDump:
        reply.restored = inner(NumberIn(field->data, rpc::criu_dump_resp::kRestored)) != 0;
        break;
      case rpc::criu_resp::kRestore:
        reply.pid = static_cast<int>(inner(NumberIn(field->data, rpc::criu_restore_resp::kPid)));
        break;
      case rpc::criu_resp::kNotify:
        response.notification = inner(ParseNotification(field->data));
        break;
      case rpc::criu_resp::kCrErrno:
        reply.cr_errno = KnownErrno(field->AsInt());
        break;
      case rpc::criu_resp::kFeatures:
        reply.features = inner(ParseFeatures(field->data));
        break;
      case rpc::criu_resp::kCrErrmsg:
        reply.cr_errmsg = field->AsString();
        break;
      case rpc::criu_resp::kVersion:
        reply.version = inner(ParseVersion(field->data));
        break;
      default:
        break;
    }
  }
  if (reader.malformed() || !is_readable) return std::nullopt;
  reply.received = true;
  return response;
}

// Whether it is the answer to a request of this type. A criu that refuses a request as such has no
// type to tell.
bool Answers(const Response& response, uint64_t type) {
  return response.type == type ||
         (response.type == rpc::criu_req_type::kEmpty && !response.reply.success);
}

}  // namespace

CancelSwitch::CancelSwitch() : event_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_.valid()) throw Failure::System("request", "cannot make an eventfd");
}

void CancelSwitch::Set(Level level) {
  if (level_.load() == Level::kNone) since_.store(steady_clock::now());
  if (level_.load() < level) level_.store(level);
  eventfd_write(event_.get(), 1);
}

void CancelSwitch::Drain() const {
  eventfd_t ignored = 0;
  eventfd_read(event_.get(), &ignored);
}

Channel::Channel(int criu, int ended, int output, const CancelSwitch& cancel)
    : criu_(criu),
      ended_(ended),
      output_(output),
      cancel_(cancel),
      buffer_(new Buffer) {}  // It is not value-initialised.

// Receives one message; nothing when criu is gone.
std::optional<Channel::Message> Channel::Receive() {
  iovec data{.iov_base = buffer_->data(), .iov_len = buffer_->size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t length = 0;
  do {
    length = recvmsg(criu_, &header, MSG_CMSG_CLOEXEC);
  } while (length < 0 && MeansAgain(errno));
  if (length < 0) return std::nullopt;
  UniqueFd passed = PassedDescriptor(&header);
  if (length == 0) return std::nullopt;
  return Message{.bytes = {buffer_->data(), static_cast<size_t>(length)},
                 .is_whole = (header.msg_flags & MSG_TRUNC) == 0,
                 .passed = std::move(passed)};
}

void Channel::Answer(const Verdict& verdict) {
  wire::Bytes message;
  wire::AppendInt(&message, rpc::criu_req::kType, rpc::criu_req_type::kNotify);
  wire::AppendInt(&message, rpc::criu_req::kNotifySuccess, verdict.go_on ? 1 : 0);
  if (!verdict.external.empty()) {
    wire::Bytes opts;
    wire::AppendInt(&opts, rpc::criu_opts::kImagesDirFd,
                    -1);  // CRIU requires it, and does not look at it
    for (const auto& key : verdict.external)
      wire::AppendString(&opts, rpc::criu_opts::kExternal, key);
    wire::AppendBytes(&message, rpc::criu_req::kOpts, opts);
  }
  // One that has gone is told by its socket.
  if (Send(criu_, message) || errno != EAGAIN) return;
  throw Failure("request", EPROTO, "criu does not read what it is answered");
}

Reply Channel::Run(const wire::Bytes& request, bool goes_on, const Notify& notify,
                   const Attend& attend) {
  type_ = NumberIn(request, rpc::criu_req::kType).value_or(rpc::criu_req_type::kEmpty);
  if (IsCancelled() || !Send(criu_, request)) return {};
  return Converse(goes_on, notify, attend);
}

Reply Channel::Converse(bool goes_on, const Notify& notify, const Attend& attend) {
  int answered_ahead = 0;
  if (goes_on) {
    for (; answered_ahead < kAnswersAhead; ++answered_ahead) Answer({});
  }
  std::array<pollfd, 4> fds{
      {{criu_, POLLIN, 0}, {cancel_.fd(), POLLIN, 0}, {output_, POLLIN, 0}, {ended_, POLLIN, 0}}};
  LookTime look;
  for (;;) {
    const int ready = poll(fds.data(), fds.size(), look.WaitMs());
    if (ready < 0) continue;  // EINTR
    // Whatever it says meanwhile, or prints: it may never stop.
    if (look.IsDue()) {
      if (!attend()) return {};
      look.AfterLook(IsCancelled());
    }
    if (ready == 0) continue;
    if (fds[2].revents != 0) {
      DrainOutput();
      if ((fds[2].revents & POLLHUP) != 0) fds[2].fd = -1;
    }
    if (fds[1].revents != 0) {
      cancel_.Drain();
      if (cancel_.level() == CancelSwitch::Level::kAbandon) {
        attend();
        shutdown(criu_, SHUT_RDWR);
        return {};
      }
      if (IsCancelled()) look.AfterCancel();
    }
    // What it said before its end may have come after poll() had looked at its socket.
    const bool has_ended = fds[3].revents != 0 && poll(fds.data(), 1, 0) == 0;
    if (fds[0].revents == 0 && !has_ended) continue;
    if (has_ended) return {};
    auto message = Receive();
    if (!message) return {};
    auto response = message->is_whole ? ParseResponse(message->bytes) : std::nullopt;
    if (!response) throw Failure("request", EPROTO, "what criu said cannot be read");
    if (response->type == rpc::criu_req_type::kNotify) {
      if (message->passed.valid()) {
        response->notification.fd = std::make_shared<UniqueFd>(std::move(message->passed));
      }
      const Verdict verdict = IsCancelled() ? Verdict::Veto() : notify(response->notification);
      if (answered_ahead > 0) {
        --answered_ahead;
      } else {
        Answer(verdict);
      }
      if (IsCancelled()) look.AfterRefusal();
      continue;
    }
    if (!Answers(*response, type_)) {
      throw Failure("request", EPROTO, "criu answered another request than this one");
    }
    return std::move(response->reply);
  }
}

}  // namespace criu_node
