#pragma once

#include <napi.h>

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>

namespace criu_node {

// Brings letters from our threads to one environment's JavaScript thread. Posting to an environment
// that is gone is a no-op that says so: a thread-safe function must not be touched after its
// environment has begun to close, and our threads outlive environments.
//
// Owner: shared by the environment's Addon and whoever posts. Thread: Post from any; the rest on
// the JavaScript thread.
class Mailbox {
 public:
  // What is done on the JavaScript thread. To post a letter takes no memory, so that one which is
  // made beforehand cannot get lost.
  //
  // Owner: whoever has made it, then the mailbox. Thread: that of its owner.
  class Letter {
   public:
    Letter() = default;
    virtual ~Letter() = default;
    Letter(const Letter&) = delete;
    Letter& operator=(const Letter&) = delete;
    Letter(Letter&&) = delete;
    Letter& operator=(Letter&&) = delete;
    virtual void Open(Napi::Env env) = 0;

   private:
    friend Mailbox;
    std::unique_ptr<Letter> next_;
  };

  explicit Mailbox(Napi::Env env);
  ~Mailbox() { Discard(std::move(first_)); }
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;
  Mailbox(Mailbox&&) = delete;
  Mailbox& operator=(Mailbox&&) = delete;

  // False when the environment is gone and the letter will not be opened.
  bool Post(std::unique_ptr<Letter> letter) noexcept;

  // Posts a letter that runs a task. Throws std::bad_alloc.
  template <typename Task>
  bool PostTask(Task task) {
    class TaskLetter : public Letter {
     public:
      explicit TaskLetter(Task task) : task_(std::move(task)) {}
      void Open(Napi::Env env) override { task_(env); }

     private:
      Task task_;
    };
    return Post(std::make_unique<TaskLetter>(std::move(task)));
  }

  // Keeps the event loop from running dry until each Hold() has had its Release().
  void Hold(Napi::Env env);
  void Release(Napi::Env env);

  // Called by a cleanup hook, before Node takes the thread-safe function away.
  void Close() noexcept;

 private:
  static void Deliver(napi_env env, napi_value callback, void* context, void* data) noexcept;
  static void Discard(std::unique_ptr<Letter> first) noexcept;
  std::unique_ptr<Letter> Take() noexcept;

  std::mutex mutex_;
  bool open_ = true;
  bool is_called_ = false;  // Node, which has not come yet
  std::unique_ptr<Letter> first_;
  Letter* last_ = nullptr;
  napi_threadsafe_function function_ = nullptr;
  size_t holds_ = 0;
};

}  // namespace criu_node
