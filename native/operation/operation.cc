#include "operation/operation.h"

#include <unistd.h>

#include <cerrno>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "base/thread_pool.h"
#include "criu/criu_options.h"
#include "criu/dump_log.h"
#include "criu/images.h"
#include "criu/library_request.h"
#include "criu/scripts.h"
#include "linux/child_watch.h"
#include "linux/listener.h"
#include "linux/memory_file.h"
#include "linux/network_use.h"
#include "linux/pid_namespace.h"
#include "linux/resolve.h"
#include "linux/spawn.h"
#include "operation/page_server.h"
#include "rollback/guard.h"
#include "rollback/interrupt.h"
#include "workers/activity.h"
#include "workers/worker_pool.h"

namespace criu_node {

namespace {

// CRIU gives a cgroup ten seconds to freeze; what does not freeze in two is left to CRIU.
constexpr std::chrono::milliseconds kFreezeLimit{2000};
// How long a dump of ourselves waits for the end of what it has killed.
constexpr std::chrono::seconds kEndLimit{5};
// How often a dump that waits for others to end looks whether it is given up.
constexpr std::chrono::milliseconds kCancelLookInterval{20};

// How long a request that is given up is waited for before criu is killed: long after it should
// have let the tasks go (docs/abort.md), and early enough that the call settles within two seconds.
// One that is at work gets the longer time, as it may be in the middle of that.
constexpr std::chrono::milliseconds kPatience{1200};
constexpr std::chrono::milliseconds kPatienceAtWork{1500};
// How long a criu may take to end that has said its last word, or that we have hung up on.
constexpr std::chrono::seconds kEndingLimit{2};
// How long one that has been killed may take to die.
constexpr std::chrono::milliseconds kDeathLimit{200};
// How often a criu that is to end is looked at.
constexpr std::chrono::milliseconds kEndingLook{50};
// How long criu may stay stopped by a signal when nothing else bounds the operation: tasks stand
// still as long.
constexpr std::chrono::seconds kStoppedLimit{10};
// How long the network's unlocking may take when the operation is given up; it goes on beyond that.
constexpr std::chrono::milliseconds kUnlockLimit{1700};

// How often a cancelled request is interrupted before more is tried; they take a second or so.
constexpr int kPatientInterrupts = 10;

}  // namespace

const char* Operation::Name(Stage stage) {
  switch (stage) {
    case Stage::kQueued:
      return "queued";
    case Stage::kDirectory:
      return "directory";
    case Stage::kSpawn:
      return "spawn";
    case Stage::kRequest:
      return "request";
    case Stage::kFreeze:
      return "freeze";
  }
  return "";
}

void Operation::Enter(Stage stage) { outcome_.stage = Name(stage); }

bool Operation::IsIn(Stage stage) const { return outcome_.stage == Name(stage); }

void Operation::Start(Notifications::Tell tell, Notifications::Ask ask, Done done, Ended ended) {
  notifications_.Begin(std::move(tell), std::move(ask), start_);
  term_ = request_.standby->workers()->term();
  ThreadPool::Get().Run("criu-request", [self = shared_from_this(), done = std::move(done),
                                         ended = std::move(ended)]() mutable {
    self->RunThread(done);
    std::optional<Clone> clone = std::move(self->clone_);
    {
      const std::lock_guard lock(self->mutex_);
      self->is_over_ = true;
      self->over_.notify_all();
    }
    // What the request holds open would stay so for as long as the clone lives.
    self.reset();
    if (ended) ended(clone ? std::optional(clone->WaitForEnd()) : std::nullopt);
  });
}

// What goes wrong in here is a part of the outcome, which is told in any case.
void Operation::RunThread(const Done& done) {
  {
    const bool is_alone = request_.verb == Verb::kDumpSelf;
    std::shared_lock active(Activity(), std::defer_lock);
    if (!is_alone) active.lock();
    auto failure = Attempt(Name(Stage::kRequest), [&] { is_alone ? RunAlone() : Run(); });
    if (failure) outcome_.failure = std::move(failure);
    if (worker_ && outcome_.success) clone_ = worker_->TakeClone();
    WorkerPool::Retirement retirement(request_.standby->workers(), std::move(worker_));
    done(std::move(outcome_));
    // JavaScript, and the end of criu, may need the processors now. The number of a criu is its own
    // until it is reaped.
    retirement.WaitForEnd(std::chrono::steady_clock::now() + kEndingLook);
    Unwatch();
  }
  // Nobody waits for the next operation's worker.
  if (!request_.is_last && cancel_.level() != CancelSwitch::Level::kAbandon) {
    request_.standby->Refill(request_.worker, term_);
  }
}

bool Operation::WaitUntil(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return over_.wait_until(lock, deadline, [this] { return is_over_; });
}

double Operation::Now() const {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_)
      .count();
}

// Nothing else of ours may run: it would be in the images.
void Operation::RunAlone() {
  Enter(Stage::kQueued);
  std::unique_lock alone(Activity(), std::defer_lock);
  while (!alone.try_lock_for(kCancelLookInterval)) {
    if (!IsCancelled()) continue;
    outcome_.cancelled = true;
    return;
  }
  const auto deadline = std::chrono::steady_clock::now() + kEndLimit;
  if (!Standby::EndAll(deadline) || !ChildWatch::Get().WaitUntilOver(deadline)) {
    outcome_.failure =
        Failure(Name(Stage::kSpawn), ETIMEDOUT, "cannot end the criu processes kept ready");
    return;
  }
  term_ = request_.standby->workers()->term();
  Run();
}

// False when the directory cannot be made like this: nothing has been touched then.
bool Operation::MakeImages() {
  if (!request_.images) return true;
  Enter(Stage::kDirectory);
  // All that takes memory comes first: one that is made must be known.
  auto images = std::make_shared<UniqueFd>();
  Option& option = request_.options.emplace_back();
  option.row = FindOption("images_dir_fd");
  *images = MakeFreshDirectory(*request_.images);
  if (!images->valid()) return false;
  option.value = static_cast<int64_t>(images->get());
  outcome_.images = std::move(images);
  return true;
}

void Operation::Run() {
  try {
    if (!MakeImages()) return;
    StartRelay();
    Enter(Stage::kSpawn);
    worker_ = request_.extras.none() ? request_.standby->workers()->Take(request_.worker)
                                     : std::make_unique<Worker>(request_.worker, request_.extras);
    if (relay_) relay_->criu_end().Reset();
    request_.handed_over.Reset();
    outcome_.timeline.worker_ready = Now();
    RunRequest(worker_.get());
  } catch (...) {
    Fail(Failure::Caught(outcome_.stage));
  }
  // A criu that has answered takes half a millisecond to end, for which nobody needs to wait;
  // unless it has the sockets and locks of tasks that are gone, and that may be restored next. One
  // that was to give the operation up may have been stopped, and would never end.
  if (worker_ && (!outcome_.success || request_.EndsTasks() || IsCancelled())) {
    Unwatch();
    End(worker_.get());
  }
  relay_.reset();
  outcome_.cancelled = !outcome_.success && IsCancelled() && !was_stopped_;
}

// Has the guard forget a criu that no longer works for us.
void Operation::Unwatch() noexcept { Guard::Get().Forget(std::exchange(watched_, -1)); }

// What goes wrong after CRIU has succeeded is no more than worth a word.
void Operation::Fail(Failure failure) {
  if (outcome_.success) {
    outcome_.warning = std::move(failure).message();
    return;
  }
  outcome_.stage = failure.stage();
  outcome_.failure = std::move(failure);
}

void Operation::RunRequest(Worker* worker) {
  Enter(Stage::kRequest);
  PointToConfig();
  wire::Bytes request = RequestOfLibrary(request_.OptionsForCriu());
  // It is made now, because the tasks stand still when it is known that it is the one to be sent.
  std::vector<Option> unlocked;
  wire::Bytes without_lock;
  if (request_.skips_needless_lock) {
    unlocked = request_.OptionsWithoutLock();
    without_lock = RequestOfLibrary(unlocked);
  }
  Channel channel(worker->socket().get(), worker->ended(), worker->output().get(), cancel_);

  std::optional<Freezer> freezer;
  const bool is_frozen = request_.freezer && !IsCancelled() && Freeze(&freezer, worker->pid());
  if (is_frozen && request_.skips_needless_lock && !HasNetworkSockets(request_.Root())) {
    request_.options = std::move(unlocked);
    request = std::move(without_lock);
    notifications_.ExpectNoSockets();
  }
  if (IsCancelled()) return;

  Enter(Stage::kRequest);
  watched_ = worker->pid();
  Converse(&channel, request, worker);

  Conclude(&channel, worker, &freezer);
  if (!outcome_.success) return;
  if (relay_) relay_->Finish([this, worker] { return IsLastResortDue(*worker); });
  ReadResults();
}

// Whether all of the cgroup's tasks stand still now.
bool Operation::Freeze(std::optional<Freezer>* freezer, pid_t criu) {
  Enter(Stage::kFreeze);
  freezer->emplace(*request_.freezer, criu);
  outcome_.timeline.freezing = Now();
  const bool is_frozen = (*freezer)->Freeze(kFreezeLimit, cancel_.fd());
  outcome_.froze = (*freezer)->froze();
  outcome_.timeline.frozen = Now();
  return is_frozen;
}

// Undoes what was done to the tasks for the dump. None of it throws: nobody else would do it.
void Operation::Conclude(Channel* channel, Worker* worker,
                         std::optional<Freezer>* freezer) noexcept {
  // CRIU's word counts, whatever libcriu made of it: the tree may be gone, and the images all that
  // is left.
  outcome_.success = outcome_.reply.success;
  // CRIU restores the frozen state that it found, so thawing comes after its last word; and when
  // there was none, after its end.
  if (!outcome_.reply.received) End(worker);
  if (*freezer) {
    outcome_.success ? (*freezer)->Thaw() : (*freezer)->Restore();
    outcome_.timeline.thawed = Now();
  }
  // CRIU has unlocked the network itself, unless it was killed or failed in serving lazy pages.
  if (!outcome_.success && (!outcome_.reply.received || outcome_.stage == scripts::kStatusReady)) {
    Unlock();
  }
  channel->DrainOutput();
  outcome_.printed = channel->TakePrinted();
  if (!outcome_.success) End(worker);
}

// Sends the request and deals with what CRIU says until its last word.
void Operation::Converse(Channel* channel, const wire::Bytes& request, Worker* worker) noexcept {
  const auto notify = [this, worker](Notification notification) {
    notification.pid = PidForUs(notification.pid);
    Verdict verdict = notifications_.Handle(notification, *worker);
    WriteNotesOnce();
    return verdict;
  };
  try {
    outcome_.timeline.sent = Now();
    outcome_.reply =
        channel->Run(request, request_.goes_on, notify, [this, worker] { return Attend(*worker); });
  } catch (...) {
    outcome_.failure = Failure::Caught(outcome_.stage);
  }
  outcome_.timeline.replied = Now();
  outcome_.reply.pid = PidForUs(outcome_.reply.pid);
}

// A criu in another pid namespace tells the pids that processes have there. The first of the
// restored processes stands still when criu tells of it for the first time.
pid_t Operation::PidForUs(pid_t told) {
  if (told <= 0 || !request_.extras.clone) return told;
  if (clone_root_ <= 0) clone_root_ = PidOfChild(worker_->pid(), told);
  return clone_root_;
}

// Nobody waits for these, while CRIU works.
void Operation::WriteNotesOnce() noexcept {
  if (!request_.images || !outcome_.images) return;
  WriteNotes(*request_.images, outcome_.images->get());
  request_.images->notes.clear();
}

// Reads what CRIU left in its directories, while we are on a thread that may wait for a file
// system.
void Operation::ReadResults() {
  WriteNotesOnce();
  const int images = static_cast<int>(request_.Number("images_dir_fd", -1));
  const int work = static_cast<int>(request_.Number("work_dir_fd", -1));
  outcome_.is_complete = request_.IsDump() && HasInventory(images);
  const char* stats = request_.verb == Verb::kRestore ? "stats-restore" : "stats-dump";
  outcome_.stats = ReadFileAt(work >= 0 ? work : images, stats);
  if (!request_.log.empty()) outcome_.log = ReadDumpLog(work >= 0 ? work : images, request_.log);
  if (outcome_.froze) ThawCgroupImage(images);
  if (request_.IsDump()) outcome_.size = SizeOfImages(images);
  outcome_.is_in_place = request_.images && PathOf(images) == request_.images->path;
}

// Hands CRIU its configuration as a file that only criu gets to see: no path to clean up, none to
// guess.
void Operation::PointToConfig() {
  if (request_.config.empty()) return;
  UniqueFd file = MakeMemoryFile(Name(Stage::kRequest), "criu.conf", request_.config);
  request_.options.push_back({FindOption("config_file"), "/proc/" + std::to_string(getpid()) +
                                                             "/fd/" + std::to_string(file.get())});
  request_.held.push_back(std::move(file));
}

wire::Bytes Operation::RequestOfLibrary(const std::vector<Option>& options) const {
  // In a dump of ourselves we could not answer: we stand still when CRIU would notify.
  const bool notifies = request_.verb != Verb::kDumpSelf;
  const CriuOptions given(request_.library, options, notifies);
  wire::Bytes request =
      MakeRequest(*request_.library, given, [this](criu_opts* opts) { CallLibrary(opts); });
  if (request_.verb == Verb::kFeatures && request_.library->feature_check == nullptr) {
    AppendFeatureCheck(&request);
  }
  return request;
}

// What libcriu returns is of no interest: it is not the one who asks criu.
void Operation::CallLibrary(criu_opts* opts) const {
  const LibCriu& library = *request_.library;
  switch (request_.verb) {
    case Verb::kCheck:
      library.check(opts);
      break;
    case Verb::kVersion:
      library.get_version(opts);
      break;
    case Verb::kFeatures: {
      if (library.feature_check == nullptr) return static_cast<void>(library.check(opts));
      struct {
        bool mem_track, lazy_pages, pidfd_store;
      } asked{true, true, true};  // CRIU answers only for what is asked
      library.feature_check(opts, &asked, sizeof(asked));
      break;
    }
    case Verb::kDump:
    case Verb::kDumpSelf:
      library.dump(opts);
      break;
    case Verb::kPreDump:
      if (library.pre_dump == nullptr) throw Failure("library", 0, "this libcriu has no pre-dump");
      library.pre_dump(opts);
      break;
    case Verb::kRestore:
      library.restore(opts);
      break;
  }
}

// False when all that could be done to have CRIU give the operation up has been done in vain.
bool Operation::Attend(const Worker& worker) {
  if (!IsCancelled()) {
    WatchForStop(worker);
    return true;
  }
  if (IsLastResortDue(worker)) return false;
  Interrupt(worker);
  return true;
}

// Somebody has stopped criu, and seems to have forgotten it.
void Operation::WatchForStop(const Worker& worker) {
  const auto now = std::chrono::steady_clock::now();
  if (!worker.IsStopped()) return stopped_since_.reset();
  if (!stopped_since_) stopped_since_ = now;
  if (now - *stopped_since_ < kStoppedLimit) return;
  outcome_.failure = Failure(outcome_.stage, 0,
                             "criu was stopped by a signal, and did not go on for " +
                                 std::to_string(kStoppedLimit.count()) + " seconds");
  was_stopped_ = true;
  Cancel();
}

bool Operation::IsLastResortDue(const Worker& worker) const {
  if (!IsCancelled()) return false;
  const auto elapsed = std::chrono::steady_clock::now() - cancel_.since();
  if (elapsed < kPatience) return false;
  return elapsed >= kPatienceAtWork || worker.pid() <= 0 || !IsAtWork(worker.pid());
}

// Waits for the end of a criu that has no more to say to us. One that goes on for too long is
// killed, after everything that makes it fail by itself: that would have let the tasks go in order.
void Operation::End(Worker* worker) noexcept {
  using std::chrono::steady_clock;
  worker->HangUp();
  const auto limit = steady_clock::now() + kEndingLimit;
  while (!worker->HasEnded(steady_clock::now() + kEndingLook)) {
    if (steady_clock::now() < limit && !IsLastResortDue(*worker)) {
      // Without a last word the tasks may still be in its hands.
      outcome_.reply.received ? worker->Continue() : Interrupt(*worker);
      continue;
    }
    worker->Kill();
    outcome_.killed = true;
    if (worker->HasEnded(steady_clock::now() + kDeathLimit)) break;
    outcome_.left = true;
    return worker->Leave();
  }
  // What it has begun is over; in a restore those may be the tasks, which are not ours to judge
  // here.
  if (!outcome_.reply.received && request_.IsDump()) worker->KillGroup();
  outcome_.exit = worker->Reap();
}

// An iptables waits for a lock that somebody else may hold.
void Operation::Unlock() noexcept {
  std::future<void> unlocking;
  if (Attempt(Name(Stage::kSpawn), [&] {
        unlocking = ThreadPool::Get().RunAndTell("criu-network", [self = shared_from_this()] {
          self->notifications_.network().Remove();
        });
      })) {
    notifications_.network().Remove();
    return;
  }
  while (unlocking.wait_for(kCancelLookInterval) != std::future_status::ready) {
    if (IsCancelled() && std::chrono::steady_clock::now() - cancel_.since() > kUnlockLimit) return;
  }
}

// Has CRIU fail where it does not notify for a long time. From `post-dump` on it is too late: it
// kills the tasks, or has let them go.
void Operation::Interrupt(const Worker& worker) noexcept {
  if (worker.pid() <= 0) return;
  // Who is stopped can neither be refused anything nor fail.
  worker.Continue();
  // What criu starts in a restore are the tasks, whose writes must not fail.
  if (!request_.IsDump()) return;
  ContinueFamily(worker.pid());
  if (IsIn(Stage::kRequest)) {
    // criu may be writing its cache of kernel data, and a file that is left half-written would keep
    // it from ever doing so again. The first notification is close.
    if (request_.verb == Verb::kPreDump) FailWritesOfPreDump(worker.pid());
  } else if (outcome_.stage == scripts::kStatusReady) {
    // CRIU waits for a client as long as it takes.
    if (relay_) relay_->Break();
  } else if (outcome_.stage != scripts::kPostDump) {
    InterruptDump(worker);
  }
}

void Operation::InterruptDump(const Worker& worker) noexcept {
  const pid_t criu = worker.pid();
  const bool freezes = outcome_.stage == scripts::kPreDump;
  // A page server that says nothing would hold it up, here and in its roll-back.
  BreakConnectionsToPageServer(request_, criu);
  // This is done once: at the sixth time CRIU takes its own operation for hanging, and crashes.
  if (freezes && !std::exchange(ended_freezing_, true)) EndFreezing(criu);
  FailWrites(criu);
  // The connections cannot be broken where the kernel lets nobody reach into criu.
  const bool is_hanging = ++interrupts_ > kPatientInterrupts && !ended_wait_;
  if (is_hanging && request_.PageServer() != nullptr) {
    ended_wait_ = EndPageServerWait(criu, freezes);
  }
}

// CRIU serves the pages through a relay of ours: see PageRelay.
void Operation::StartRelay() {
  if (!request_.ServesPages()) return;
  const Endpoint& place = *request_.PageServer();
  const auto protocol =
      request_.IsSet("tls") ? PageRelay::Protocol::kTls : PageRelay::Protocol::kPlain;
  relay_ = std::make_unique<PageRelay>(Listen(place.address, place.port), protocol);
  auto& inherited = request_.extras.inherited;
  const size_t number = Worker::kFirstInherited + inherited.size();
  inherited.push_back(relay_->criu_end().get());
  // The request has no such field for a lazy dump.
  request_.config += "\nps-socket " + std::to_string(number) + '\n';
}

}  // namespace criu_node
