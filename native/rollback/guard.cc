#include "rollback/guard.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>
#include <utility>

#include "base/failure.h"
#include "base/passed_descriptor.h"
#include "base/process_global.h"
#include "base/thread_pool.h"
#include "linux/beside_addon.h"
#include "linux/spawn.h"

namespace criu_node {

namespace {

using std::chrono::steady_clock;

// How soon after its start a process that has died is replaced by itself: one that cannot live must
// not be started again and again.
constexpr std::chrono::seconds kShortestLife{1};

}  // namespace

Guard& Guard::Get() { return ProcessGlobal<Guard>(); }

void Guard::AddUser() {
  const std::lock_guard lock(mutex_);
  ++users_;
}

void Guard::RemoveUser() noexcept {
  const std::lock_guard lock(mutex_);
  --users_;
  EndUnlessNeededLocked();
}

void Guard::Start() {
  const std::lock_guard lock(mutex_);
  if (users_ > 0 && !AnswersLocked()) StartLocked();
}

// Somebody may have killed or stopped it.
bool Guard::AnswersLocked() const {
  return socket_.valid() && !process_->HasEnded({}) && !process_->IsStopped();
}

bool Guard::IsNeededLocked() const { return !watched_.empty() || !criu_.empty(); }

// Tells a guard that is there of something that is noted already, or else a new one, which is told
// of everything. Throws Failure.
bool Guard::TellLocked(const Message& message) {
  if (AnswersLocked() && SendWithDescriptor(socket_.get(), message.text, message.passed.get()))
    return true;
  return StartLocked();
}

// One that is not told would undo later what has long been over. It takes no memory to tell it.
void Guard::TellOfEndLocked(char kind, uint64_t number) noexcept {
  if (!socket_.valid()) return;
  std::array<char, 32> text{kind, ' '};
  const auto [end, error] = std::to_chars(text.data() + 2, text.data() + text.size(), number);
  if (SendWithDescriptor(socket_.get(), {text.data(), static_cast<size_t>(end - text.data())}))
    return;
  EndLocked();
  // Without another one, the next who needs it tries again.
  if (IsNeededLocked()) static_cast<void>(Attempt("freeze", [this] { StartLocked(); }));
}

pid_t Guard::pid() {
  const std::lock_guard lock(mutex_);
  return process_ ? process_->pid() : -1;
}

// Whether the new process could be told of everything. Throws Failure.
bool Guard::StartLocked() {
  EndLocked();
  SocketPair pair = MakeSocketPair("freeze");
  const std::string program = BesideAddon("criu_guard");
  SpawnSettings settings{.stage = "freeze", .program = program, .arguments = {program}};
  settings.descriptors = {{pair.theirs.get(), STDIN_FILENO}};
  process_ = std::make_shared<Child>(settings);
  started_ = steady_clock::now();
  socket_ = std::move(pair.ours);
  bool is_told = true;
  const auto tell = [&](const Message& message) {
    is_told = SendWithDescriptor(socket_.get(), message.text, message.passed.get()) && is_told;
  };
  for (const auto& [id, message] : watched_) tell(message);
  for (const auto& [criu, message] : criu_) tell(message);
  end_of_process_ = ChildWatch::Entry(process_->ended(), self_);
  return is_told;
}

Guard::Watch::Watch(const UniqueFd& control, int version, pid_t criu)
    : id_(Get().WatchCgroup(control, version, criu)) {}

uint64_t Guard::WatchCgroup(const UniqueFd& control, int version, pid_t criu) {
  Message message{.text = "F", .passed = UniqueFd::Duplicate(control.get())};
  if (!message.passed.valid()) throw Failure::System("freeze", "cannot copy a descriptor");
  const std::lock_guard lock(mutex_);
  const uint64_t id = ++last_id_;
  message.text += std::to_string(version) + ' ' + std::to_string(id) + ' ' + std::to_string(criu);
  const auto entry = watched_.emplace(id, std::move(message)).first;
  bool is_told = false;
  const auto failure = Attempt("freeze", [&] { is_told = TellLocked(entry->second); });
  if (is_told) return id;
  watched_.erase(entry);
  throw failure.value_or(Failure("freeze", EAGAIN, "cannot tell the guard what to thaw"));
}

void Guard::Forget(uint64_t id) noexcept {
  const std::lock_guard lock(mutex_);
  watched_.erase(id);
  TellOfEndLocked('T', id);
  EndUnlessNeededLocked();
}

void Guard::WatchDumping(pid_t criu, const NetworkLock& lock) noexcept {
  WatchCriu('D', criu, lock);
}

void Guard::WatchServing(pid_t criu, const NetworkLock& lock) noexcept {
  WatchCriu('S', criu, lock);
}

void Guard::WatchCriu(char kind, pid_t criu, const NetworkLock& network) noexcept {
  // That of a service is not ours.
  if (criu <= 0) return;
  const std::lock_guard lock(mutex_);
  // One that cannot be told of it now may be replaced by one that can.
  static_cast<void>(Attempt("freeze", [&] {
    Message message{.text = std::string(1, kind), .passed = {}};
    message.text += ' ' + std::to_string(criu) + ' ' + network.ToText();
    Message& noted = criu_[criu];
    noted = std::move(message);
    TellLocked(noted);
  }));
}

void Guard::Forget(pid_t criu) noexcept {
  const std::lock_guard lock(mutex_);
  if (criu_.erase(criu) == 0) return;
  TellOfEndLocked('E', static_cast<uint64_t>(criu));
  EndUnlessNeededLocked();
}

void Guard::EndUnlessNeededLocked() noexcept {
  if (users_ == 0 && !IsNeededLocked()) EndLocked();
}

// The process is killed before its socket closes: one that was stopped would take that for our end
// when it goes on, and undo what its successor watches. It is reaped on another thread.
void Guard::EndLocked() noexcept {
  end_of_process_.Reset();
  if (process_) process_->Kill();
  socket_.Reset();
  if (!process_) return;
  {
    const std::lock_guard lock(ending_mutex_);
    ++ending_;
  }
  ThreadPool::Get().RunOrDo("criu-reaper", [this, process = std::move(process_)] {
    process->Reap();
    const std::lock_guard lock(ending_mutex_);
    --ending_;
    ended_.notify_all();
  });
}

// One that somebody has killed while it was needed is replaced at once.
void Guard::ReapEnded() noexcept {
  const std::lock_guard lock(mutex_);
  if (!process_ || !process_->HasEnded({})) return;
  const bool has_lived = steady_clock::now() - started_ >= kShortestLife;
  EndLocked();
  if (has_lived && IsNeededLocked())
    static_cast<void>(Attempt("freeze", [this] { StartLocked(); }));
}

bool Guard::WaitUntilEnded(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(ending_mutex_);
  return ended_.wait_until(lock, deadline, [this] { return ending_ == 0; });
}

}  // namespace criu_node
