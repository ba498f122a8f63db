#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "criu/channel.h"
#include "criu/libcriu.h"
#include "criu/wire.h"
#include "operation/notifications.h"
#include "operation/outcome.h"
#include "operation/request.h"
#include "rollback/freezer.h"
#include "serve/page_relay.h"
#include "workers/worker.h"

namespace criu_node {

// One request to CRIU on a thread of its own, none of libuv's. Three phases: the Request is read on
// the JavaScript thread, Run() is ours, the Outcome is settled on the JavaScript thread.
//
// Owner: shared by the environment that started it and its own thread, which may outlive it.
// Thread: its own, but for what says otherwise.
class Operation : public std::enable_shared_from_this<Operation> {
 public:
  using Done = std::function<void(Outcome)>;
  // How the first process of a clone has ended; nothing when there is no clone.
  using Ended = std::function<void(std::optional<ExitStatus>)>;

  explicit Operation(Request request) : request_(std::move(request)) {}

  // All of them are called on the operation's thread, `done` and then `ended` once, and these do
  // not throw. Throws Failure.
  void Start(Notifications::Tell tell, Notifications::Ask ask, Done done, Ended ended);

  // Any thread. See Notifications::Answer().
  void Answer(uint64_t number, Verdict verdict) {
    notifications_.Answer(number, std::move(verdict));
  }

  // Any thread. The operation still ends by itself; CRIU is refused its next notification, and made
  // to fail if there is none for a while.
  void Cancel() { cancel_.Set(CancelSwitch::Level::kVeto); }
  // Any thread. Has CRIU fail at once and hangs up on it; for an environment that is going away.
  void Abandon() { cancel_.Set(CancelSwitch::Level::kAbandon); }
  // Any thread. Whether the operation was over in time.
  bool WaitUntil(std::chrono::steady_clock::time_point deadline);

 private:
  // Where the operation is when no notification tells it; a part of the outcome.
  enum class Stage { kQueued, kDirectory, kSpawn, kRequest, kFreeze };
  static const char* Name(Stage stage);
  void Enter(Stage stage);
  [[nodiscard]] bool IsIn(Stage stage) const;

  void RunThread(const Done& done);
  void Run();
  void RunAlone();
  void Fail(Failure failure);
  bool MakeImages();
  void StartRelay();
  void PointToConfig();
  void RunRequest(Worker* worker);
  [[nodiscard]] wire::Bytes RequestOfLibrary(const std::vector<Option>& options) const;
  bool Freeze(std::optional<Freezer>* freezer, pid_t criu);
  void Converse(Channel* channel, const wire::Bytes& request, Worker* worker) noexcept;
  void CallLibrary(criu_opts* opts) const;
  void Conclude(Channel* channel, Worker* worker, std::optional<Freezer>* freezer) noexcept;
  bool Attend(const Worker& worker);
  void WatchForStop(const Worker& worker);
  [[nodiscard]] bool IsLastResortDue(const Worker& worker) const;
  void Unwatch() noexcept;
  void End(Worker* worker) noexcept;
  void Unlock() noexcept;
  void Interrupt(const Worker& worker) noexcept;
  void InterruptDump(const Worker& worker) noexcept;
  void ReadResults();
  void WriteNotesOnce() noexcept;
  [[nodiscard]] bool IsCancelled() const { return cancel_.level() != CancelSwitch::Level::kNone; }
  [[nodiscard]] double Now() const;
  [[nodiscard]] pid_t PidForUs(pid_t told);

  Request request_;
  CancelSwitch cancel_;
  Outcome outcome_;
  Notifications notifications_{&request_, cancel_, &outcome_};
  uint64_t term_ = 0;  // what is closed later is not started again by this operation
  std::unique_ptr<Worker> worker_;
  std::optional<Clone> clone_;                                          // that has been restored
  pid_t clone_root_ = -1;                                               // its first process, for us
  std::optional<std::chrono::steady_clock::time_point> stopped_since_;  // criu, when last seen
  int interrupts_ = 0;
  bool was_stopped_ = false;  // criu, by somebody, for too long
  bool ended_freezing_ = false;
  bool ended_wait_ = false;
  std::unique_ptr<PageRelay> relay_;  // of a dump that serves its pages
  pid_t watched_ = -1;                // the criu that the guard watches
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();

  std::mutex mutex_;
  std::condition_variable over_;
  bool is_over_ = false;
};

}  // namespace criu_node
