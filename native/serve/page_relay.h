#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "base/unique_fd.h"
#include "linux/listener.h"

namespace criu_node {

// Stands between a criu that serves lazy pages and its client. CRIU listens on every address when
// it is asked by request, takes any connection for its client, and the end of that one for the end
// of the transfer: it then ends the tasks, although their memory may not have gone anywhere. So we
// listen, and criu gets a connection to us, which is broken off unless the client has said that it
// is done.
//
// Owner: one Operation. Thread: its own; Break from any.
class PageRelay {
 public:
  // Whether the client says by itself that it is done, as it does with TLS, whose end criu tells
  // from a connection that breaks.
  enum class Protocol { kPlain, kTls };

  // Throws Failure (stage "listen").
  PageRelay(Listener listener, Protocol protocol);
  ~PageRelay();
  PageRelay(const PageRelay&) = delete;
  PageRelay& operator=(const PageRelay&) = delete;
  PageRelay(PageRelay&&) = delete;
  PageRelay& operator=(PageRelay&&) = delete;

  // criu's end, to be inherited and then closed here.
  UniqueFd& criu_end() { return theirs_; }

  // Waits until the client has all that criu, which has ended, has sent; or until it is given up.
  void Finish(const std::function<bool()>& is_given_up);

  // Breaks the connection off, so that criu fails and lets the tasks go on. Whatever either side
  // does, nothing more is handed on.
  void Break();

 private:
  void Run(Listener listener) noexcept;
  void Relay(const UniqueFd& client);
  void Remember(const char* data, size_t length);
  [[nodiscard]] bool IsDone() const;

  Protocol protocol_;
  UniqueFd stop_;  // an eventfd
  UniqueFd ours_;  // towards criu; closing it is an error at the other end
  UniqueFd theirs_;
  bool has_client_ = false;
  std::array<char, 32> last_{};  // what the client has sent last

  std::atomic<bool> broken_ = false;
  std::mutex mutex_;
  std::condition_variable over_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace criu_node
