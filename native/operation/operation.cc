#include "operation/operation.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "base/thread_pool.h"
#include "criu/images.h"
#include "linux/keep_alive.h"
#include "linux/process_sockets.h"
#include "rollback/freezer.h"
#include "rollback/guard.h"
#include "rollback/interrupt.h"
#include "workers/activity.h"
#include "workers/worker_pool.h"

namespace criu_node {

namespace {

// CRIU gives a cgroup ten seconds to freeze; what does not freeze in two is left to CRIU.
constexpr std::chrono::milliseconds kFreezeLimit{2000};
// How often a dump that waits for others to end looks whether it is given up.
constexpr std::chrono::milliseconds kCancelLookInterval{20};

// Of a request that has been cancelled; a second or so.
constexpr int kPatientInterrupts = 10;

uint16_t ToPort(const std::string& text) {
  uint16_t port = 0;
  std::from_chars(text.data(), text.data() + text.size(), port);
  return port;
}

// Has the guard forget a criu when it no longer works for us.
class Unwatch {
 public:
  explicit Unwatch(pid_t criu) : criu_(criu) {}
  ~Unwatch() { Guard::Get().Forget(criu_); }
  Unwatch(const Unwatch&) = delete;
  Unwatch& operator=(const Unwatch&) = delete;
  Unwatch(Unwatch&&) = delete;
  Unwatch& operator=(Unwatch&&) = delete;

 private:
  pid_t criu_;
};

}  // namespace

void Operation::Start(Ask ask, Done done) {
  ask_ = std::move(ask);
  ThreadPool::Get().Run("criu-tap", [self = shared_from_this(), done = std::move(done)] {
    {
      std::shared_lock active(Activity(), std::defer_lock);
      if (self->request_.verb == Verb::kDumpSelf) {
        self->RunAlone();
      } else {
        active.lock();
        self->Run();
      }
      const WorkerPool::Retirement retirement(std::move(self->worker_));
      done(std::move(self->outcome_));
      if (self->library_.valid()) self->library_.wait();
    }
    self->Prepare();
    const std::lock_guard lock(self->mutex_);
    self->is_over_ = true;
    self->over_.notify_all();
  });
}

// The next operation's worker, when nobody waits for it.
void Operation::Prepare() const {
  if (cancel_.level() == CancelSwitch::Level::kAbandon) return;
  try {
    const std::shared_lock active(Activity());
    WorkerPool::Get().Refill(request_.worker, request_.spares);
  } catch (const std::exception&) {
    // The next operation starts its own, and reports what is wrong.
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

// With nothing of ours running that would be in the images.
void Operation::RunAlone() {
  Enter("queued");
  std::unique_lock alone(Activity(), std::defer_lock);
  while (!alone.try_lock_for(kCancelLookInterval)) {
    if (cancel_.level() == CancelSwitch::Level::kNone) continue;
    outcome_.cancelled = true;
    return;
  }
  WorkerPool::Get().Close();
  Guard::Get().Close();
  Run();
}

// False when it cannot be made like this: nothing has been touched then.
bool Operation::MakeImages() {
  if (!request_.images) return true;
  Enter("directory");
  UniqueFd images = MakeFreshDirectory(*request_.images);
  if (!images.valid()) return false;
  Option& option = request_.options.emplace_back();
  option.row = FindOption("images_dir_fd");
  option.value = static_cast<int64_t>(images.get());
  outcome_.images = std::make_shared<UniqueFd>(std::move(images));
  return true;
}

void Operation::Run() {
  try {
    if (!MakeImages()) return;
    StartRelay();
    Enter("spawn");
    worker_ = request_.extras.none() ? WorkerPool::Get().Take(request_.worker)
                                     : std::make_unique<Worker>(request_.worker, request_.extras);
    if (relay_) relay_->criu_end().Reset();
    outcome_.timeline.worker_ready = Now();
    RunRequest(worker_.get());
  } catch (const Failure& failure) {
    outcome_.failure = failure;
    outcome_.stage = failure.stage();
  } catch (const std::exception& error) {
    outcome_.failure = Failure(outcome_.stage, 0, error.what());
  }
  // Of one that has answered nobody needs to wait for the end, which takes it half a millisecond;
  // unless it has the sockets and locks of tasks that are gone, and that may be restored next.
  if (worker_ && (!outcome_.success || EndsTasks())) worker_->Reap();
  relay_.reset();
  outcome_.cancelled = !outcome_.success && cancel_.level() != CancelSwitch::Level::kNone;
  outcome_.timeline.ended = Now();
}

void Operation::RunRequest(Worker* worker) {
  Enter("request");
  PointToConfig();
  // When it would stop for us, we stand still already.
  const bool notifies = request_.verb != Verb::kDumpSelf;
  const CriuOptions& options = options_.emplace(request_.library, request_.options, notifies);
  std::array<int, 2> pair{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()) != 0) {
    throw Failure::System("request", "cannot make a socket pair");
  }
  UniqueFd ours(pair[0]);
  UniqueFd theirs(pair[1]);
  Channel channel(worker->socket().get(), worker->ended(), worker->output().get(), std::move(ours),
                  cancel_);

  std::optional<Freezer> freezer;
  if (!request_.freezer_path.empty() && cancel_.level() == CancelSwitch::Level::kNone) {
    Enter("freeze");
    freezer.emplace(request_.freezer_path, request_.freezer_version, worker->pid());
    outcome_.timeline.freezing = Now();
    freezer->Freeze(kFreezeLimit, cancel_.fd());
    outcome_.froze = freezer->froze();
    outcome_.timeline.frozen = Now();
  }
  if (cancel_.level() != CancelSwitch::Level::kNone) return;

  Enter("request");
  const Unwatch unwatch(worker->pid());
  // libcriu closes this descriptor itself.
  request_.library->set_service_fd(options.get(), theirs.get());
  library_ =
      ThreadPool::Get().RunAndTell("libcriu", [this, opts = options.get()] { CallLibrary(opts); });
  theirs.Release();
  try {
    outcome_.timeline.sent = Now();
    outcome_.reply = channel.Run(
        options.extra(), request_.goes_on,
        [this, worker](const Notification& notice) { return OnNotification(notice, *worker); },
        [this, worker] { Interrupt(*worker); });
  } catch (const Failure& failure) {
    outcome_.failure = failure;
  } catch (const std::exception& error) {
    outcome_.failure = Failure("request", 0, error.what());
  }
  channel.HangUp();  // whatever happened, libcriu's call returns; nobody has to wait for that
  outcome_.timeline.replied = Now();

  // CRIU restores the frozen state that it found, so thawing comes after its last word; and when
  // there was none, after its end.
  if (!outcome_.reply.received) outcome_.exit = worker->Reap();
  if (freezer) {
    outcome_.reply.success ? freezer->Thaw() : freezer->Restore();
    outcome_.timeline.thawed = Now();
  }
  // CRIU has unlocked the network itself, unless it was killed or failed in serving lazy pages.
  if (!outcome_.reply.success && (!outcome_.reply.received || outcome_.stage == "status-ready")) {
    network_.Remove();
  }
  channel.DrainOutput();
  outcome_.printed = channel.printed();
  // CRIU's word, whatever libcriu made of it: the tree may be gone, and the images all that is
  // left.
  outcome_.success = outcome_.reply.success;
  if (!outcome_.success) {
    outcome_.exit = worker->Reap();
    return;
  }
  if (relay_) relay_->Finish();
  try {
    ReadResults();
  } catch (const std::exception& error) {
    outcome_.warning = error.what();
  }
}

const OptionValue* Operation::Find(std::string_view option) const {
  const auto found = std::ranges::find_if(
      request_.options, [&](const Option& candidate) { return candidate.row->name == option; });
  return found == request_.options.end() ? nullptr : &found->value;
}

int64_t Operation::Number(std::string_view option, int64_t otherwise) const {
  const auto* value = Find(option);
  return value == nullptr ? otherwise : std::get<int64_t>(*value);
}

bool Operation::IsSet(std::string_view option) const {
  const auto* value = Find(option);
  return value != nullptr && std::get<bool>(*value);
}

bool Operation::EndsTasks() const {
  return request_.verb == Verb::kDump && !IsSet("leave_running") && !IsSet("leave_stopped");
}

// What CRIU left in its directories, while we are on a thread that may wait for a file system.
void Operation::ReadResults() {
  const int images = static_cast<int>(Number("images_dir_fd", -1));
  const int work = static_cast<int>(Number("work_dir_fd", -1));
  const char* stats = request_.verb == Verb::kRestore ? "stats-restore" : "stats-dump";
  outcome_.stats = ReadFileAt(work >= 0 ? work : images, stats);
  if (outcome_.froze) ThawCgroupImage(images);
}

// A configuration file that only criu gets to see: no path to clean up, none to guess.
void Operation::PointToConfig() {
  if (request_.config.empty()) return;
  UniqueFd file(memfd_create("criu.conf", MFD_CLOEXEC));
  if (!file.valid() || write(file.get(), request_.config.data(), request_.config.size()) !=
                           static_cast<ssize_t>(request_.config.size())) {
    throw Failure::System("request", "cannot keep CRIU's configuration in memory");
  }
  request_.options.push_back({FindOption("config_file"), "/proc/" + std::to_string(getpid()) +
                                                             "/fd/" + std::to_string(file.get())});
  request_.held.push_back(std::move(file));
}

// What it returns is of no interest: the tap has seen what CRIU answered.
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
      library.pre_dump(opts);
      break;
    case Verb::kRestore:
      library.restore(opts);
      break;
  }
}

// For where CRIU does not notify for a long time. From `post-dump` on it is too late: it kills the
// tasks, or has let them go.
void Operation::Interrupt(const Worker& worker) {
  // What criu starts in a restore are the tasks, whose writes must not fail.
  if (!IsDump() || worker.pid() <= 0) return;
  const std::string& stage = outcome_.stage;
  // It may be writing its cache of kernel data, and a file that is left half-written would keep it
  // from ever doing so again. The first notification is close.
  if (stage == "request") {
    if (request_.verb == Verb::kPreDump) FailWritesOfPreDump(worker.pid());
    return;
  }
  if (stage == "status-ready") {
    // It waits for a client as long as it takes.
    if (relay_) relay_->Break();
  } else if (stage != "post-dump") {
    // A page server that says nothing would hold it up, here and in its roll-back.
    for (const auto& connection : Connections()) shutdown(connection.get(), SHUT_RDWR);
    // Once: at the sixth CRIU takes its own operation for hanging, and crashes.
    if (stage == "pre-dump" && !std::exchange(ended_freezing_, true)) EndFreezing(worker.pid());
    FailWrites(worker.pid());
    // Where the kernel lets nobody reach into criu for that.
    const bool is_hanging = ++interrupts_ > kPatientInterrupts && !ended_wait_;
    if (is_hanging && Find("ps") != nullptr) {
      ended_wait_ = EndPageServerWait(worker.pid(), stage == "pre-dump");
    }
  }
}

Verdict Operation::OnNotification(const Notification& notification, const Worker& worker) {
  // Of a dump CRIU unlocks the network also when it rolls back, which is not how far it came.
  if (!IsDump() || notification.script != "network-unlock") Enter(notification.script);
  if (!DoOurPart(notification)) return Verdict::Veto();
  if (request_.told.contains(notification.script)) ask_(0, notification);
  if (!request_.asked.contains(notification.script)) return {};
  return AskJavaScript(notification, worker);
}

std::optional<Pair> Operation::PageServer() const {
  const auto* value = Find("ps");
  if (value == nullptr) return std::nullopt;
  const auto& pairs = std::get<std::vector<Pair>>(*value);
  return pairs.empty() ? std::nullopt : std::optional(pairs.front());
}

// criu's, to a page server that takes its pages.
std::vector<UniqueFd> Operation::Connections() const {
  const auto server = PageServer();
  if (!server || relay_ || worker_->pid() <= 0) return {};
  return ConnectionsTo(worker_->pid(), server->first, ToPort(server->second));
}

// For a lazy dump: see PageRelay.
void Operation::StartRelay() {
  const auto server = PageServer();
  if (!server || !IsSet("lazy_pages")) return;
  const auto protocol = IsSet("tls") ? PageRelay::Protocol::kTls : PageRelay::Protocol::kPlain;
  relay_ = std::make_unique<PageRelay>(Listen(server->first, ToPort(server->second)), protocol);
  auto& inherited = request_.extras.inherited;
  const size_t number = Worker::kFirstInherited + inherited.size();
  inherited.push_back(relay_->criu_end().get());
  // The request has no such field for a lazy dump.
  request_.config += "\nps-socket " + std::to_string(number) + '\n';
}

NetworkLock::Method Operation::LockMethod() const {
  // CRIU's own numbers; without one it takes iptables.
  switch (Number("network_lock", 1)) {
    case 1:
      return NetworkLock::Method::kIptables;
    case 2:
      return NetworkLock::Method::kNftables;
    default:
      return NetworkLock::Method::kNone;
  }
}

// Before CRIU makes its rules. For nftables that is right after `pre-dump`, as it makes a table in
// its own network namespace, too, where it does not notify; with iptables it makes none there.
void Operation::WatchNetwork(const Notification& notification) {
  const auto method = LockMethod();
  const std::string_view before =
      method == NetworkLock::Method::kNftables ? "pre-dump" : "network-lock";
  if (notification.script != before || request_.verb != Verb::kDump) return;
  network_ = NetworkLock(static_cast<pid_t>(Number("pid", -1)), method);
}

Verdict Operation::AskJavaScript(const Notification& notification, const Worker& worker) {
  if (!answered_.valid()) answered_.Reset(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  {
    const std::lock_guard lock(mutex_);
    ++questions_;
    answer_.reset();
  }
  if (!answered_.valid() || !ask_(questions_, notification)) return Verdict::Veto();
  while (WaitFor(answered_.get(), POLLIN, worker)) {
    eventfd_t ignored = 0;
    eventfd_read(answered_.get(), &ignored);
    const std::lock_guard lock(mutex_);
    if (answer_) return *std::exchange(answer_, std::nullopt);
  }
  return Verdict::Veto();
}

// While CRIU waits for us: what is waited for may never come. False when the operation is cancelled
// or criu is gone. The cancel switch stays readable until the channel's own loop drains it.
// NOLINTNEXTLINE(google-runtime-int): as poll() has it
bool Operation::WaitFor(int fd, short events, const Worker& worker) const {
  std::array<pollfd, 4> fds{{{fd, events, 0},
                             {cancel_.fd(), POLLIN, 0},
                             {worker.socket().get(), POLLRDHUP, 0},
                             {worker.ended(), POLLIN, 0}}};
  while (poll(fds.data(), fds.size(), -1) < 0) {  // EINTR
  }
  return cancel_.level() == CancelSwitch::Level::kNone && fds[2].revents == 0 &&
         fds[3].revents == 0;
}

void Operation::Answer(uint64_t number, Verdict verdict) {
  const std::lock_guard lock(mutex_);
  if (number != questions_) return;
  answer_ = std::move(verdict);
  eventfd_write(answered_.get(), 1);
}

bool Operation::DoOurPart(const Notification& notification) {
  outcome_.events.push_back({notification.script, Now(), notification.pid});
  if (notification.script == "status-ready" && !WriteStatus()) return false;
  if (notification.script == "network-lock" || notification.script == "query-ext-files") {
    // By now CRIU is connected; a page server that vanishes must not hold the tasks up.
    for (const auto& connection : Connections()) KeepAlive(connection.get());
  }
  if (notification.script == "pre-dump") Guard::Get().WatchDumping(worker_->pid());
  if (notification.script == "status-ready") {
    Guard::Get().WatchServing(worker_->pid(), network_);
  }
  WatchNetwork(notification);
  if (notification.script == "post-dump" && !request_.post_dump_file.empty()) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): open() is what there is
    const UniqueFd file(open(request_.post_dump_file.c_str(),
                             O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (!file.valid()) {
      outcome_.failure = Failure::System("post-dump", "cannot make " + request_.post_dump_file);
      return false;
    }
  }
  return true;
}

// Nobody would come for the pages when this cannot be told, and the tasks would stand still.
bool Operation::WriteStatus() {
  const int fd = request_.status_fd.get();
  if (fd < 0) return true;
  // One that does not read may have left no room.
  if (!WaitFor(fd, POLLOUT, *worker_)) return false;
  const ssize_t written = write(fd, "", 1);
  if (written != 1) {
    outcome_.failure = Failure::System("status-ready", "cannot write to the descriptor statusFd");
  }
  request_.status_fd.Reset();
  return written == 1;
}

}  // namespace criu_node
