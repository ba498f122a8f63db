#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "linux/child.h"
#include "workers/clone.h"

namespace criu_node {

// How a `criu swrk` process is started, or which `criu service` is used in its place.
struct WorkerSettings {
  std::string binary;                    // absolute path
  std::vector<std::string> environment;  // "NAME=value", all that criu gets to see
  std::string service;                   // path of a socket; then the others are not used
};

// What only one request needs of its criu, so that no spare will do.
struct WorkerExtras {
  std::vector<int> inherited = {};  // the criu's descriptors from kFirstInherited on
  // Its session and its standard input are ours: those of a shell's job that it restores.
  bool joins_session = false;
  // It is nobody's child, and nothing of it but the socket is in this process, which it is to dump.
  bool is_detached = false;
  // It restores into a pid namespace that is made for that.
  std::optional<CloneSettings> clone = {};

  [[nodiscard]] bool none() const {
    return inherited.empty() && !joins_session && !is_detached && !clone;
  }
  // The number under which a clone's criu finds a descriptor of ours that is held for it.
  [[nodiscard]] int NumberOfHeld(int fd) const;
};

// One `criu swrk` process and our end of the socket to it, or a connection to a service. It serves
// one request and ends when the socket closes.
//
// Owner: a WorkerPool, then one Operation. Thread: that of its owner.
class Worker {
 public:
  static constexpr int kFirstInherited = 4;

  // Throws Failure (stage "spawn"). A criu with descriptors of ours is always started anew.
  explicit Worker(const WorkerSettings& settings, const WorkerExtras& extras = {});
  ~Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  Worker(Worker&&) = delete;
  Worker& operator=(Worker&&) = delete;

  // Of the process that is ours: criu, or the first one of the pid namespace in which criu is, and
  // with which criu ends. -1 for a service and for one that is detached.
  [[nodiscard]] pid_t pid() const { return child().pid(); }
  // See Child::ended().
  [[nodiscard]] int ended() const { return child().ended(); }
  [[nodiscard]] const UniqueFd& socket() const { return socket_; }
  // What criu prints to its stdout and stderr; never blocks.
  [[nodiscard]] const UniqueFd& output() const { return output_; }

  // Ends a worker that has nothing to lose: one without a request, or one that is given up.
  void Kill() const { child().Kill(); }
  void KillGroup() const { child().KillGroup(); }
  // See Child.
  [[nodiscard]] bool IsStopped() const { return child().IsStopped(); }
  void Continue() const { child().Continue(); }
  [[nodiscard]] bool HasEnded(std::chrono::steady_clock::time_point until) const {
    return child().HasEnded(until);
  }
  void Leave() noexcept { child().Leave(); }

  // The namespace with what has been restored in it, which outlives the worker. It is there where
  // the worker was started for one, and once.
  [[nodiscard]] std::optional<Clone> TakeClone() { return std::exchange(clone_, std::nullopt); }

  // Closes the socket, on which criu ends by itself.
  void HangUp() { socket_.Reset(); }
  // Reaps the process, which has ended. Later calls tell the same.
  ExitStatus Reap() { return child().Reap(); }

 private:
  void Start(const WorkerSettings& settings, const WorkerExtras& extras);
  void StartDetached(const WorkerSettings& settings, const WorkerExtras& extras);
  void StartClone(const WorkerSettings& settings, const WorkerExtras& extras);
  void Connect(const std::string& service);
  [[nodiscard]] const Child& child() const { return clone_ ? clone_->init() : child_; }
  [[nodiscard]] Child& child() { return clone_ ? clone_->init() : child_; }

  Child child_;
  std::optional<Clone> clone_;  // then there is no other child
  UniqueFd socket_;             // closed before the child is waited for
  UniqueFd output_;
};

}  // namespace criu_node
