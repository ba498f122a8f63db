#include "rollback/guard.h"

#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string_view>
#include <utility>

#include "base/failure.h"
#include "base/process_global.h"
#include "base/thread_pool.h"
#include "linux/beside_addon.h"
#include "linux/spawn.h"

namespace criu_node {

namespace {

// Never waits: the socket of a guard that reads has room.
bool Tell(const UniqueFd& socket, std::string_view message) {
  return send(socket.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT) ==
         static_cast<ssize_t>(message.size());
}

}  // namespace

Guard& Guard::Get() { return ProcessGlobal<Guard>(); }

void Guard::AddUser() {
  const std::lock_guard lock(mutex_);
  ++users_;
}

void Guard::RemoveUser() {
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
  return socket_.valid() && !process_.HasEnded({}) && !process_.IsStopped();
}

// Tells a guard that is there, or else a new one, which is told of everything. Throws Failure.
bool Guard::TellLocked(const std::string& message) {
  if (AnswersLocked() && Tell(socket_, message)) return true;
  StartLocked();
  return Tell(socket_, message);
}

// One that is not told would undo later what has long been over.
void Guard::TellOfEndLocked(const std::string& message) noexcept {
  if (!socket_.valid() || Tell(socket_, message)) return;
  EndLocked();
  if (watched_.empty() && criu_.empty()) return;
  try {
    StartLocked();
  } catch (const Failure&) {
    // The next one who needs it tries again.
  }
}

pid_t Guard::pid() {
  const std::lock_guard lock(mutex_);
  return process_.pid();
}

void Guard::StartLocked() {
  EndLocked();
  SocketPair pair = MakeSocketPair("freeze");
  const std::string program = BesideAddon("criu_guard");
  SpawnSettings settings{.stage = "freeze", .program = program, .arguments = {program}};
  settings.descriptors = {{pair.theirs.get(), STDIN_FILENO}};
  process_ = Child(settings);
  socket_ = std::move(pair.ours);
  for (const auto& [cgroup, message] : watched_) Tell(socket_, message);
  for (const auto& [criu, message] : criu_) Tell(socket_, message);
}

void Guard::Watch(const std::string& cgroup, int version, pid_t criu) {
  std::string message = "F";
  message += std::to_string(version) + ' ' + std::to_string(criu) + ' ' + cgroup;
  const std::lock_guard lock(mutex_);
  if (!TellLocked(message)) throw Failure::System("freeze", "cannot tell the guard what to thaw");
  watched_[cgroup] = message;
}

void Guard::Forget(const std::string& cgroup) noexcept {
  const std::lock_guard lock(mutex_);
  watched_.erase(cgroup);
  TellOfEndLocked("T " + cgroup);
  EndUnlessNeededLocked();
}

void Guard::WatchDumping(pid_t criu, const NetworkLock& lock) noexcept {
  WatchCriu(criu, "D " + std::to_string(criu) + ' ' + lock.ToText());
}

void Guard::WatchServing(pid_t criu, const NetworkLock& lock) noexcept {
  WatchCriu(criu, "S " + std::to_string(criu) + ' ' + lock.ToText());
}

void Guard::WatchCriu(pid_t criu, const std::string& message) noexcept {
  // That of a service is not ours.
  if (criu <= 0) return;
  const std::lock_guard lock(mutex_);
  try {
    TellLocked(message);
  } catch (const Failure&) {
    return;
  }
  criu_[criu] = message;
}

void Guard::Forget(pid_t criu) noexcept {
  const std::lock_guard lock(mutex_);
  if (criu_.erase(criu) == 0) return;
  TellOfEndLocked("E " + std::to_string(criu));
  EndUnlessNeededLocked();
}

void Guard::EndUnlessNeededLocked() {
  if (users_ == 0 && watched_.empty() && criu_.empty()) EndLocked();
}

// The process is killed before its socket closes: one that was stopped would take that for our end
// when it goes on, and undo what its successor watches. It is reaped on another thread.
void Guard::EndLocked() {
  process_.Kill();
  socket_.Reset();
  if (process_.pid() < 0) return;
  {
    const std::lock_guard lock(ending_mutex_);
    ++ending_;
  }
  auto process = std::make_shared<Child>(std::move(process_));
  ThreadPool::Get().RunOrDo("criu-reaper", [this, process] {
    process->Reap();
    const std::lock_guard lock(ending_mutex_);
    --ending_;
    ended_.notify_all();
  });
}

bool Guard::WaitUntilEnded(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(ending_mutex_);
  return ended_.wait_until(lock, deadline, [this] { return ending_ == 0; });
}

}  // namespace criu_node
