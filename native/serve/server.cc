#include "serve/server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <utility>

#include "base/thread_pool.h"
#include "linux/keep_alive.h"
#include "linux/userfaults.h"
#include "rollback/guard.h"

namespace criu_node {

namespace {

std::pair<UniqueFd, UniqueFd> MakePipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) throw Failure::System("spawn", "cannot make a pipe");
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

}  // namespace

Server::Server(ServeRequest request)
    : request_(std::move(request)), stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!stop_.valid()) throw Failure::System("spawn", "cannot make an eventfd");
}

void Server::Start(Ready ready, Done done) {
  ready_ = std::move(ready);
  ThreadPool::Get().Run("criu-server", [self = shared_from_this(), done = std::move(done)] {
    self->outcome_.failure = Attempt("spawn", [&] { self->Run(); });
    self->End();
    done(std::move(self->outcome_));
    const std::lock_guard lock(self->mutex_);
    self->is_over_ = true;
    self->over_.notify_all();
  });
}

void Server::Stop(bool force) {
  const std::lock_guard lock(mutex_);
  asked_to_stop_ = true;
  forced_ = forced_ || force;
  eventfd_write(stop_.get(), 1);
}

bool Server::WaitUntil(std::chrono::steady_clock::time_point deadline) {
  std::unique_lock lock(mutex_);
  return over_.wait_until(lock, deadline, [this] { return is_over_ || is_spared_; });
}

void Server::Run() {
  if (request_.listener) {
    const UniqueFd connection = AwaitClient(std::move(*request_.listener), stop_.get());
    if (!connection.valid()) {
      outcome_.stopped = true;
      return;
    }
    KeepAlive(connection.get());
    StartCriu(connection);
    ready_(PeerOf(connection));
  } else {
    auto [reader, writer] = MakePipe();
    status_ = std::move(reader);
    StartCriu(writer);
  }
  Attend();
}

void Server::End() noexcept {
  const pid_t pid = criu_.pid();
  if (pid < 0) return;
  // One that we cannot attend to any more would never be stopped.
  if (outcome_.failure && !ServesFaults(pid)) criu_.Kill();
  outcome_.exit = criu_.Reap();
  Guard::Get().Forget(pid);
  printed_.Drain(output_.get());
  outcome_.printed = printed_.Take();
}

void Server::StartCriu(const UniqueFd& channel) {
  auto [reader, writer] = MakePipe();
  SpawnSettings settings{
      .stage = "spawn",
      .program = request_.program,
      .arguments = request_.arguments,
      .environment = request_.environment,
      .descriptors = {
          {writer.get(), STDOUT_FILENO}, {writer.get(), STDERR_FILENO}, {channel.get(), kChannel}}};
  for (int number = kFirstHeld; const auto& held : request_.held) {
    settings.descriptors.emplace_back(held.get(), number++);
  }
  criu_ = Child(settings);
  output_ = std::move(reader);
  outcome_.started = true;
  Guard::Get().WatchServing(criu_.pid(), {});
}

// Attends to criu until it has ended: something that it had started may have its output still, and
// it may have closed that itself. Where the kernel does not tell of its end, the end of its output
// has to do.
void Server::Attend() {
  std::array<pollfd, 4> fds{{{output_.get(), POLLIN, 0},
                             {stop_.get(), POLLIN, 0},
                             {status_.get(), POLLIN, 0},
                             {criu_.ended(), POLLIN, 0}}};
  for (;;) {
    if (poll(fds.data(), fds.size(), -1) < 0) continue;  // EINTR
    if (fds[2].revents != 0) {
      char byte = 0;
      if (read(status_.get(), &byte, 1) == 1) ready_({});
      fds[2].fd = -1;
    }
    if (fds[1].revents != 0 && ObeyStop()) fds[1].fd = -1;
    if (fds[0].revents != 0) {
      printed_.Drain(output_.get());
      if ((fds[0].revents & POLLHUP) != 0) {
        if (criu_.ended() < 0) return;
        fds[0].fd = -1;
      }
    }
    if (fds[3].revents != 0) return;
  }
}

// True when criu needs to be told nothing more.
bool Server::ObeyStop() {
  eventfd_t ignored = 0;
  eventfd_read(stop_.get(), &ignored);
  const std::lock_guard lock(mutex_);
  if (!forced_ && ServesFaults(criu_.pid())) {
    is_spared_ = true;
    over_.notify_all();
    return false;
  }
  // It has nothing to undo, and cannot be in the middle of what must not be cut short.
  outcome_.stopped = true;
  criu_.Kill();
  return true;
}

}  // namespace criu_node
