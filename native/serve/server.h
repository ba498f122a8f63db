#pragma once

#include <sys/types.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/failure.h"
#include "base/output_tail.h"
#include "base/unique_fd.h"
#include "linux/child.h"
#include "linux/listener.h"

namespace criu_node {

// A criu that serves beside our operations: `criu page-server` or `criu lazy-pages`.
struct ServeRequest {
  std::string program;
  std::vector<std::string> arguments;  // with argv[0]
  std::vector<std::string> environment;
  std::vector<UniqueFd> held;  // criu's descriptors from kFirstHeld on
  // With one, criu is started for the first connection that sends something, and has it as its
  // descriptor kChannel. Without, it is started at once, and kChannel takes a byte when it is
  // ready.
  std::optional<Listener> listener;
};

// How such a criu ended, as plain data.
struct ServeOutcome {
  std::optional<Failure> failure;  // ours
  bool stopped = false;            // by Stop()
  bool started = false;
  ExitStatus exit;
  std::string printed;  // criu's stdout and stderr
};

// Runs one such criu on a thread of its own, until it ends or is stopped. It is reaped once, and
// ends with us: see Guard::WatchServing.
//
// Owner: shared by the environment that started it and its own thread, which may outlive it.
// Thread: its own, but for what says otherwise.
class Server : public std::enable_shared_from_this<Server> {
 public:
  static constexpr int kChannel = 3;
  static constexpr int kFirstHeld = 4;

  // `peer` is who has connected; empty when criu said that it is ready.
  using Ready = std::function<void(const std::string& peer)>;
  using Done = std::function<void(ServeOutcome)>;

  // Throws Failure.
  explicit Server(ServeRequest request);

  // Both are called on the server's thread, `done` once, and it does not throw. Throws Failure.
  void Start(Ready ready, Done done);

  // Any thread. Ends it, but not a criu that restored tasks have their memory from, unless forced:
  // what they lack then would read as zeros.
  void Stop(bool force);
  // Any thread. True when it was over in time, or is left to itself by Stop().
  bool WaitUntil(std::chrono::steady_clock::time_point deadline);

 private:
  void Run();
  void End() noexcept;
  void StartCriu(const UniqueFd& channel);
  void Attend();
  bool ObeyStop();

  ServeRequest request_;
  Ready ready_;
  UniqueFd stop_;  // an eventfd
  UniqueFd status_;
  UniqueFd output_;
  OutputTail printed_;
  Child criu_;
  ServeOutcome outcome_;

  std::mutex mutex_;
  std::condition_variable over_;
  bool is_over_ = false;
  bool is_spared_ = false;  // by Stop()
  bool asked_to_stop_ = false;
  bool forced_ = false;
};

}  // namespace criu_node
