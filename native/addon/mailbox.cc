#include "addon/mailbox.h"

#include <exception>
#include <utility>

namespace criu_node {

Mailbox::Mailbox(Napi::Env env) {
  const napi_status status =
      napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "criu"), 0, 1,
                                      nullptr, nullptr, this, &Mailbox::Deliver, &function_);
  if (status != napi_ok) throw Napi::Error::New(env);
  napi_unref_threadsafe_function(env, function_);
}

void Mailbox::Hold(Napi::Env env) {
  if (holds_++ == 0) napi_ref_threadsafe_function(env, function_);
}

void Mailbox::Release(Napi::Env env) {
  if (--holds_ == 0) napi_unref_threadsafe_function(env, function_);
}

bool Mailbox::Post(Task task) {
  const std::lock_guard lock(mutex_);
  if (!open_) return false;
  tasks_.push_back(std::move(task));
  // The queue has no bound, so this neither blocks nor fails while the function is open.
  return napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking) == napi_ok;
}

void Mailbox::Close() {
  const std::lock_guard lock(mutex_);
  open_ = false;
  tasks_.clear();
}

std::deque<Mailbox::Task> Mailbox::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(tasks_, {});
}

void Mailbox::Deliver(napi_env env, napi_value /*callback*/, void* context, void* /*data*/) {
  if (env == nullptr) return;  // the environment is closing; context may be gone
  for (Task& task : static_cast<Mailbox*>(context)->Take()) {
    try {
      task(Napi::Env(env));
    } catch (const std::exception&) {
      // JavaScript cannot be run any more: the environment is ending, and what it had under way is
      // abandoned by its cleanup hook. Nothing must leave a callback of Node's.
    }
  }
}

}  // namespace criu_node
