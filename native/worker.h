#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "unique_fd.h"

namespace criu_node {

// How a `criu swrk` process is started, or which `criu service` is used in its place.
struct WorkerSettings {
  std::string binary;                    // absolute path
  std::vector<std::string> environment;  // "NAME=value", all that criu gets to see
  std::string service;                   // path of a socket; then the others are not used
};

// How a process ended: one of the two is set.
struct ExitStatus {
  int code = 0;
  int signal = 0;
};

// One `criu swrk` process and our end of the socket to it, or a connection to a service. It serves
// one request and ends when the socket closes.
//
// Owner: one Operation. Thread: its own.
class Worker {
 public:
  // Throws Failure (stage "spawn").
  explicit Worker(const WorkerSettings& settings);
  ~Worker() { Reap(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  Worker(Worker&&) = delete;
  Worker& operator=(Worker&&) = delete;

  // -1 of a service: its process is not ours.
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const UniqueFd& socket() const { return socket_; }
  // What criu prints to its stdout and stderr; never blocks.
  [[nodiscard]] const UniqueFd& output() const { return output_; }

  // For one that has no request and so nothing to lose.
  void Kill() const;

  // Closes the socket and waits for the process to end. Exactly once; later calls tell the same.
  ExitStatus Reap();

 private:
  void Start(const WorkerSettings& settings);
  void Connect(const std::string& service);

  pid_t pid_ = -1;
  UniqueFd socket_;
  UniqueFd output_;
  ExitStatus status_;
};

}  // namespace criu_node
