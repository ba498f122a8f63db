#pragma once

#include <napi.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>

namespace criu_node {

// Brings tasks from our threads to one environment's JavaScript thread. Posting to an environment
// that is gone is a no-op that says so: a thread-safe function must not be touched after its
// environment has begun to close, and our threads outlive environments.
//
// Owner: shared by the environment's Addon and whoever posts. Thread: Post from any; the rest on
// the JavaScript thread.
class Mailbox {
 public:
  using Task = std::function<void(Napi::Env)>;

  explicit Mailbox(Napi::Env env);
  ~Mailbox() = default;
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  Mailbox(Mailbox&&) = delete;
  Mailbox& operator=(Mailbox&&) = delete;

  // False when the environment is gone and the task will not run.
  bool Post(Task task);

  // Keeps the event loop from running dry until each Hold() has had its Release().
  void Hold(Napi::Env env);
  void Release(Napi::Env env);

  // Called by a cleanup hook, before Node takes the thread-safe function away.
  void Close();

 private:
  static void Deliver(napi_env env, napi_value callback, void* context, void* data);
  std::deque<Task> Take();

  std::mutex mutex_;
  bool open_ = true;
  std::deque<Task> tasks_;
  napi_threadsafe_function function_ = nullptr;
  size_t holds_ = 0;
};

}  // namespace criu_node
