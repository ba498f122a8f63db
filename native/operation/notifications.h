#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>

#include "base/unique_fd.h"
#include "criu/channel.h"
#include "operation/outcome.h"
#include "operation/request.h"
#include "rollback/network_lock.h"
#include "workers/worker.h"

namespace criu_node {

// What happens while CRIU waits at a notification: our own part in it comes first (the status
// descriptor, the guard, the network lock, the post-dump file), then JavaScript is told or asked.
//
// Owner: one Operation. Thread: the operation's; Answer from any.
class Notifications {
 public:
  // Tells JavaScript of a notification, without waiting for it.
  using Tell = std::function<void(const Notification& notification)>;
  // Puts a question to JavaScript, whose answer comes by Answer() with the same number. False when
  // there is nobody to ask.
  using Ask = std::function<bool(uint64_t number, const Notification& notification)>;

  // Takes the status descriptor out of the request. Stage, events and failure of the outcome are
  // written here.
  Notifications(Request* request, const CancelSwitch& cancel, Outcome* outcome);

  // To be called before the first notification. Times of events count from `start`.
  void Begin(Tell tell, Ask ask, std::chrono::steady_clock::time_point start);

  // The answer to one notification of the criu of that worker.
  Verdict Handle(const Notification& notification, const Worker& worker);

  // Late answers are ignored.
  void Answer(uint64_t number, Verdict verdict);

  // The network is not locked because there was no socket in it: the dump fails if a task has one.
  void ExpectNoSockets() { expects_no_sockets_ = true; }

  // CRIU's rules for the network of the tree, as far as they can be there by now.
  NetworkLock& network() { return network_; }

 private:
  [[nodiscard]] double Now() const;
  Verdict Decide(const Notification& notification, const Worker& worker);
  bool HasNoSockets();
  bool DoOurPart(const Notification& notification, const Worker& worker);
  bool WatchNetwork(const Notification& notification, const Worker& worker);
  void ShareImages();
  bool WriteStatus(const Worker& worker);
  bool MakePostDumpFile();
  bool HasImages();
  Verdict AskJavaScript(const Notification& notification, const Worker& worker);
  // NOLINTNEXTLINE(google-runtime-int): as poll() has it
  [[nodiscard]] bool WaitFor(int fd, short events, const Worker& worker) const;

  const Request& request_;
  const CancelSwitch& cancel_;
  Outcome& outcome_;
  UniqueFd status_fd_;
  NetworkLock network_;
  bool expects_no_sockets_ = false;
  Tell tell_;
  Ask ask_;
  std::chrono::steady_clock::time_point start_;
  UniqueFd answered_;  // an eventfd, made when there are questions to be asked

  std::mutex mutex_;
  uint64_t questions_ = 0;         // the number of the present question
  std::optional<Verdict> answer_;  // to the present question
};

}  // namespace criu_node
