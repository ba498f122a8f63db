#include "rollback/guard.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include <string_view>

#include "base/failure.h"
#include "base/process_global.h"
#include "linux/beside_addon.h"
#include "linux/spawn.h"

namespace criu_node {

namespace {

bool Tell(const UniqueFd& socket, std::string_view message) {
  return send(socket.get(), message.data(), message.size(), MSG_NOSIGNAL) ==
         static_cast<ssize_t>(message.size());
}

}  // namespace

Guard& Guard::Get() { return ProcessGlobal<Guard>(); }

void Guard::Start() {
  const std::lock_guard lock(mutex_);
  if (!socket_.valid()) StartLocked();
}

void Guard::StartLocked() {
  CloseLocked();
  SocketPair pair = MakeSocketPair("freeze");
  const std::string program = BesideAddon("criu_guard");
  SpawnSettings settings{.stage = "freeze", .program = program, .arguments = {program}};
  settings.descriptors = {{pair.theirs.get(), STDIN_FILENO}};
  pid_ = Spawn(settings);
  socket_ = std::move(pair.ours);
  for (const auto& [cgroup, message] : watched_) Tell(socket_, message);
  for (const auto& [criu, message] : criu_) Tell(socket_, message);
}

void Guard::Watch(const std::string& cgroup, int version, pid_t criu) {
  std::string message = "F";
  message += std::to_string(version) + ' ' + std::to_string(criu) + ' ' + cgroup;
  const std::lock_guard lock(mutex_);
  if (!socket_.valid() || !Tell(socket_, message)) {
    StartLocked();  // the first time, or somebody has killed it
    if (!Tell(socket_, message)) {
      throw Failure::System("freeze", "cannot tell the guard what to thaw");
    }
  }
  watched_[cgroup] = message;
}

void Guard::Forget(const std::string& cgroup) noexcept {
  const std::lock_guard lock(mutex_);
  watched_.erase(cgroup);
  Tell(socket_, "T " + cgroup);
}

void Guard::WatchDumping(pid_t criu) noexcept { WatchCriu(criu, "D " + std::to_string(criu)); }

void Guard::WatchServing(pid_t criu, const NetworkLock& lock) noexcept {
  WatchCriu(criu, "S " + std::to_string(criu) + ' ' + lock.ToText());
}

void Guard::WatchCriu(pid_t criu, const std::string& message) noexcept {
  if (criu <= 0) return;  // of a service
  const std::lock_guard lock(mutex_);
  try {
    if (!socket_.valid() || !Tell(socket_, message)) {
      StartLocked();
      Tell(socket_, message);
    }
  } catch (const Failure&) {
    return;
  }
  criu_[criu] = message;
}

void Guard::Forget(pid_t criu) noexcept {
  const std::lock_guard lock(mutex_);
  if (criu_.erase(criu) > 0) Tell(socket_, "E " + std::to_string(criu));
}

void Guard::Close() {
  const std::lock_guard lock(mutex_);
  if (watched_.empty() && criu_.empty()) CloseLocked();
}

void Guard::CloseLocked() {
  socket_.Reset();
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

}  // namespace criu_node
