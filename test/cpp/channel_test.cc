#include "criu/channel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "criu/rpc.h"
#include "criu/wire.h"
#include "test.h"

namespace criu_node::test {

namespace {

using wire::Bytes;

struct Pair {
  Pair() {
    std::array<int, 2> ends{};
    Expect(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0,
           "a pair of sockets can be made");
    ours = UniqueFd(ends[0]);
    theirs = UniqueFd(ends[1]);
  }
  UniqueFd ours;
  UniqueFd theirs;
};

bool Send(int socket, const Bytes& message) {
  return send(socket, message.data(), message.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(message.size());
}

std::optional<Bytes> Receive(int socket) {
  Bytes message(65536);
  const ssize_t length = recv(socket, message.data(), message.size(), 0);
  if (length <= 0) return std::nullopt;
  message.resize(static_cast<size_t>(length));
  return message;
}

uint64_t Number(const Bytes& message, uint32_t number) {
  wire::Reader reader(message);
  while (auto field = reader.Next()) {
    if (field->number == number) return field->varint;
  }
  return 0;
}

Bytes Request() {
  Bytes message;
  wire::AppendInt(&message, rpc::criu_req::kType, rpc::criu_req_type::kDump);
  wire::AppendBytes(&message, rpc::criu_req::kOpts, {});
  return message;
}

Bytes NotificationOf(const std::string& script) {
  Bytes notify;
  wire::AppendString(&notify, rpc::criu_notify::kScript, script);
  Bytes message;
  wire::AppendInt(&message, rpc::criu_resp::kType, rpc::criu_req_type::kNotify);
  wire::AppendInt(&message, rpc::criu_resp::kSuccess, 1);
  wire::AppendBytes(&message, rpc::criu_resp::kNotify, notify);
  return message;
}

Bytes Success() {
  Bytes message;
  wire::AppendInt(&message, rpc::criu_resp::kType, rpc::criu_req_type::kDump);
  wire::AppendInt(&message, rpc::criu_resp::kSuccess, 1);
  return message;
}

// How a criu behaves that was asked for `notifications` of them.
struct Behaviour {
  int notifications = 20;
  bool answers = true;  // else it waits for the end of its socket
};

struct Outcome {
  Reply reply;
  std::vector<std::string> heard;
  int attended = 0;  // how often it was looked after once it was cancelled
};

// The channel with a criu beside it, which is a thread here.
class Stage {
 public:
  explicit Stage(Behaviour behaviour = {}) : behaviour_(behaviour) {
    std::array<int, 2> ends{};
    Expect(pipe2(ends.data(), O_CLOEXEC) == 0, "a pipe can be made");
    output_ = UniqueFd(ends[0]);
    writer_ = UniqueFd(ends[1]);
    fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  }

  CancelSwitch cancel;
  std::atomic<int> told = 0;  // how many notifications criu has sent

  Outcome Run(const Channel::Notify& answer = [](const Notification&) { return Verdict{}; }) {
    Outcome outcome;
    Channel channel(criu_.ours.get(), ended_.get(), output_.get(), cancel);
    std::thread criu([this] { Criu(); });
    outcome.reply = channel.Run(
        Request(), false,
        [&](const Notification& notification) {
          outcome.heard.push_back(notification.script);
          return answer(notification);
        },
        [&] {
          if (cancel.level() == CancelSwitch::Level::kNone) return true;
          // As criu does whose tasks are taken from it.
          shutdown(criu_.theirs.get(), SHUT_RDWR);
          return true;
        });
    criu_.ours.Reset();
    criu.join();
    return outcome;
  }

 private:
  void Criu() {
    const int socket = criu_.theirs.get();
    if (!Receive(socket)) return;
    for (int i = 0; i < behaviour_.notifications; ++i) {
      const std::string line = "what criu prints\n";
      Expect(write(writer_.get(), line.data(), line.size()) > 0, "criu can print");
      if (!Send(socket, NotificationOf("script-" + std::to_string(i)))) return;
      ++told;
      const auto answer = Receive(socket);
      if (!answer || Number(*answer, rpc::criu_req::kNotifySuccess) == 0) return EndsEarly();
    }
    if (behaviour_.answers) {
      Send(socket, Success());
    } else {
      Receive(socket);
      EndsEarly();
    }
  }
  void EndsEarly() { eventfd_write(ended_.get(), 1); }

  Behaviour behaviour_;
  Pair criu_;
  UniqueFd ended_{eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  UniqueFd output_;
  UniqueFd writer_;
};

void AnswerEachNotification() {
  Stage stage;
  const Outcome outcome = stage.Run();
  Expect(outcome.reply.received && outcome.reply.success, "criu's answer is the outcome");
  Expect(outcome.heard.size() == 20 && outcome.heard.back() == "script-19", "each is heard once");
}

void VetoEndsIt() {
  Stage stage;
  const Outcome outcome = stage.Run([](const Notification& notification) {
    return notification.script == "script-3" ? Verdict::Veto() : Verdict{};
  });
  Expect(!outcome.reply.received, "there is no answer of criu");
  Expect(outcome.heard.size() == 4, "nothing is heard behind a veto");
}

void CancelAtAnyMoment() {
  using Level = CancelSwitch::Level;
  for (const Level level : {Level::kVeto, Level::kAbandon}) {
    for (int at = 0; at < 20; ++at) {
      Stage stage({.notifications = 20, .answers = false});
      std::thread canceller([&] {
        while (stage.told < at) std::this_thread::yield();
        stage.cancel.Set(level);
      });
      const Outcome outcome = stage.Run();
      canceller.join();
      Expect(!outcome.reply.success, "it does not count as a success");
    }
  }
}

void CancelFromManyThreads() {
  using Level = CancelSwitch::Level;
  for (int round = 0; round < 20; ++round) {
    Stage stage({.notifications = 5, .answers = false});
    std::vector<std::thread> cancellers;
    cancellers.reserve(4);
    for (int i = 0; i < 4; ++i) {
      cancellers.emplace_back(
          [&stage, i] { stage.cancel.Set(i % 2 == 0 ? Level::kVeto : Level::kAbandon); });
    }
    const Outcome outcome = stage.Run();
    for (std::thread& canceller : cancellers) canceller.join();
    Expect(!outcome.reply.success, "it does not count as a success");
    Expect(stage.cancel.level() == Level::kAbandon, "the strongest one counts");
  }
}

}  // namespace

}  // namespace criu_node::test

int main() {
  using namespace criu_node::test;
  return RunAll({
      {"each notification is answered", AnswerEachNotification},
      {"a veto ends it", VetoEndsIt},
      {"it is cancelled at any moment", CancelAtAnyMoment},
      {"it may be cancelled by many threads", CancelFromManyThreads},
  });
}
