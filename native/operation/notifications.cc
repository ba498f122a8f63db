#include "operation/notifications.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string>
#include <utility>

#include "base/failure.h"
#include "criu/images.h"
#include "criu/scripts.h"
#include "linux/keep_alive.h"
#include "linux/lock.h"
#include "linux/network_use.h"
#include "operation/page_server.h"
#include "rollback/guard.h"

namespace criu_node {

Notifications::Notifications(Request* request, const CancelSwitch& cancel, Outcome* outcome)
    : request_(*request),
      cancel_(cancel),
      outcome_(*outcome),
      status_fd_(std::move(request->status_fd)) {}

void Notifications::Begin(Tell tell, Ask ask, std::chrono::steady_clock::time_point start) {
  tell_ = std::move(tell);
  ask_ = std::move(ask);
  start_ = start;
}

Verdict Notifications::Handle(const Notification& notification, const Worker& worker) {
  const std::string& script = notification.script;
  // A dump that rolls back unlocks the network as well, which is not how far it came.
  if (!request_.IsDump() || script != scripts::kNetworkUnlock) outcome_.stage = script;
  outcome_.events.push_back({.name = script, .at = Now(), .pid = notification.pid});
  Verdict verdict = Decide(notification, worker);
  // It may not have waited for us at all.
  Event& event = outcome_.events.back();
  event.answered = request_.goes_on ? event.at : Now();
  return verdict;
}

double Notifications::Now() const {
  const std::chrono::duration<double, std::milli> elapsed =
      std::chrono::steady_clock::now() - start_;
  return elapsed.count();
}

Verdict Notifications::Decide(const Notification& notification, const Worker& worker) {
  const std::string& script = notification.script;
  if (!DoOurPart(notification, worker)) return Verdict::Veto();
  if (request_.told.contains(script)) tell_(notification);
  Verdict verdict =
      request_.asked.contains(script) ? AskJavaScript(notification, worker) : Verdict{};
  // This comes last: what CRIU does next cannot be undone.
  if (script == scripts::kPostDump && verdict.go_on && !HasImages()) return Verdict::Veto();
  return verdict;
}

// False when the operation must not go on.
bool Notifications::DoOurPart(const Notification& notification, const Worker& worker) {
  const std::string& script = notification.script;
  if (script == scripts::kStatusReady) ShareImages();
  if (script == scripts::kStatusReady && !WriteStatus(worker)) return false;
  if (script == scripts::kNetworkLock && expects_no_sockets_ && !HasNoSockets()) return false;
  if (script == scripts::kNetworkLock || script == scripts::kQueryExtFiles) {
    // CRIU is connected by now; a page server that vanishes must not hold the tasks up.
    for (const auto& connection : ConnectionsToPageServer(request_, worker.pid())) {
      KeepAlive(connection.get());
    }
  }
  if (WatchNetwork(notification, worker) || script == scripts::kPreDump) {
    Guard::Get().WatchDumping(worker.pid(), network_);
  }
  if (script == scripts::kStatusReady) Guard::Get().WatchServing(worker.pid(), network_);
  return script != scripts::kPostDump || MakePostDumpFile();
}

// The network is not locked because there was no socket in it. By now CRIU has stopped every task
// itself; before, somebody may have let one of them run, or one was never in the frozen cgroup.
// Sockets of others in the same network need no lock.
bool Notifications::HasNoSockets() {
  const pid_t root = request_.Root();
  if (!HasNetworkSockets(root) || !HoldsNetworkSocket(root)) return true;
  outcome_.failure =
      Failure(std::string(scripts::kNetworkLock), 0,
              "a task has opened a socket after the cgroup was frozen: somebody has thawed it "
              "meanwhile, or the task is in another one");
  return false;
}

// The network is looked at before CRIU makes its rules. With nftables that is right after
// `pre-dump`: CRIU makes a table in its own network namespace, too, where it does not notify. With
// iptables it makes no rules there. True when there may be rules from now on.
bool Notifications::WatchNetwork(const Notification& notification, const Worker& worker) {
  const auto method = request_.LockMethod();
  const auto before =
      method == NetworkLock::Method::kNftables ? scripts::kPreDump : scripts::kNetworkLock;
  if (request_.verb != Verb::kDump) return false;
  if (notification.script == scripts::kQueryExtFiles && method == NetworkLock::Method::kNftables) {
    network_.Identify();
    return true;
  }
  if (notification.script != before) return false;
  network_ = NetworkLock(request_.Root(), method, worker.pid());
  return true;
}

// The images are complete, and whoever restores them reads them from here on.
void Notifications::ShareImages() {
  const int images = static_cast<int>(request_.Number("images_dir_fd", -1));
  if (images >= 0) TryLock(images, LockMode::kShared);
}

// A failure ends the dump: nobody would come for the pages, and the tasks would stand still.
bool Notifications::WriteStatus(const Worker& worker) {
  const int fd = status_fd_.get();
  if (fd < 0) return true;
  // A reader that does not read may have left no room.
  if (!WaitFor(fd, POLLOUT, worker)) return false;
  const ssize_t written = write(fd, "", 1);
  if (written != 1) {
    outcome_.failure = Failure::System(std::string(scripts::kStatusReady),
                                       "cannot write to the descriptor statusFd");
  }
  status_fd_.Reset();
  return written == 1;
}

bool Notifications::MakePostDumpFile() {
  const std::string& path = request_.post_dump_file;
  if (path.empty()) return true;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): open() is what there is
  const UniqueFd file(
      open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666));
  if (file.valid()) return true;
  outcome_.failure = Failure::System(std::string(scripts::kPostDump), "cannot make " + path);
  return false;
}

// Whether CRIU's images are still in their directory. CRIU has written the inventory last, and is
// about to end the tasks, or to let them go. Somebody may have tidied up meanwhile.
bool Notifications::HasImages() {
  const int images = static_cast<int>(request_.Number("images_dir_fd", -1));
  // What is answered beforehand cannot be refused any more, and a directory that CRIU alone knows
  // cannot be looked into.
  if (request_.goes_on || !request_.IsDump() || images < 0 || HasInventory(images)) return true;
  outcome_.failure =
      Failure("images", 0,
              "the images have been removed while they were written: their inventory.img is gone");
  return false;
}

Verdict Notifications::AskJavaScript(const Notification& notification, const Worker& worker) {
  uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!answered_.valid()) answered_.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    number = ++questions_;
    answer_.reset();
  }
  if (!answered_.valid() || !ask_(number, notification)) return Verdict::Veto();
  while (WaitFor(answered_.get(), POLLIN, worker)) {
    eventfd_t ignored = 0;
    eventfd_read(answered_.get(), &ignored);
    const std::lock_guard lock(mutex_);
    if (answer_) return *std::exchange(answer_, std::nullopt);
  }
  return Verdict::Veto();
}

// What is waited for may never come. False when the operation is cancelled or criu is gone. The
// cancel switch stays readable until the channel's own loop drains it.
// NOLINTNEXTLINE(google-runtime-int): as poll() has it
bool Notifications::WaitFor(int fd, short events, const Worker& worker) const {
  std::array<pollfd, 4> fds{{{fd, events, 0},
                             {cancel_.fd(), POLLIN, 0},
                             {worker.socket().get(), POLLRDHUP, 0},
                             {worker.ended(), POLLIN, 0}}};
  while (poll(fds.data(), fds.size(), -1) < 0) {  // EINTR
  }
  return cancel_.level() == CancelSwitch::Level::kNone && fds[2].revents == 0 &&
         fds[3].revents == 0;
}

void Notifications::Answer(uint64_t number, Verdict verdict) {
  const std::lock_guard lock(mutex_);
  if (number != questions_ || !answered_.valid()) return;
  answer_ = std::move(verdict);
  eventfd_write(answered_.get(), 1);
}

}  // namespace criu_node
