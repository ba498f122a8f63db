#pragma once

#include <sys/prctl.h>

#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#include "base/failure.h"

namespace criu_node {

// Blocks all signals of the calling thread while it lives. Our threads take no signals: those are
// for Node's main thread, and an interrupted system call inside libcriu would count as a failed
// dump.
//
// Owner: a scope. Thread: the one that made it.
class SignalBlock {
 public:
  SignalBlock() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalBlock() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;
  SignalBlock(SignalBlock&&) = delete;
  SignalBlock& operator=(SignalBlock&&) = delete;

 private:
  sigset_t before_{};
};

// Names the calling thread; to name another one, a file in /proc would have to be opened. `name` is
// a literal.
inline void NameThread(const char* name) {
  prctl(PR_SET_NAME, name);  // NOLINT(cppcoreguidelines-pro-type-vararg): as it is declared
}

// Starts a thread that takes no signals. Throws Failure (stage "spawn"). What leaves the body ends
// there: whoever has to hear of a failure is told of it by the body.
template <typename Body>
std::thread StartThread(const char* name, Body body) {
  const SignalBlock block;  // inherited by the new thread
  try {
    return std::thread([name, body = std::move(body)]() mutable {
      NameThread(name);
      static_cast<void>(Attempt("spawn", body));
    });
  } catch (const std::system_error& error) {
    throw Failure("spawn", error.code().value(), "cannot start a thread");
  }
}

}  // namespace criu_node
