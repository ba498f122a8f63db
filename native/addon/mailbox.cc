#include "addon/mailbox.h"

#include <utility>

#include "base/failure.h"

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

// Node is called once for all the letters that wait: it takes memory for its call, and cannot do
// without.
bool Mailbox::Post(std::unique_ptr<Letter> letter) noexcept {
  const std::lock_guard lock(mutex_);
  if (!open_) return false;
  Letter* const last = letter.get();
  (first_ == nullptr ? first_ : last_->next_) = std::move(letter);
  last_ = last;
  // The queue has no bound, so this neither blocks nor fails while the function is open.
  is_called_ = is_called_ ||
               napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking) == napi_ok;
  return is_called_;
}

void Mailbox::Close() noexcept {
  std::unique_ptr<Letter> dropped;
  {
    const std::lock_guard lock(mutex_);
    open_ = false;
    dropped = std::move(first_);
  }
  Discard(std::move(dropped));
}

std::unique_ptr<Mailbox::Letter> Mailbox::Take() noexcept {
  const std::lock_guard lock(mutex_);
  is_called_ = false;
  return std::move(first_);
}

// One after the other: each would destroy the next.
void Mailbox::Discard(std::unique_ptr<Letter> first) noexcept {
  while (first) first = std::move(first->next_);
}

void Mailbox::Deliver(napi_env env, napi_value /*callback*/, void* context,
                      void* /*data*/) noexcept {
  if (env == nullptr) return;  // the environment is closing; context may be gone
  for (auto letter = static_cast<Mailbox*>(context)->Take(); letter;
       letter = std::move(letter->next_)) {
    // What fails here is that JavaScript cannot be run any more: the environment is ending, and
    // what it had under way is abandoned by its cleanup hook.
    static_cast<void>(Attempt("request", [&] { letter->Open(Napi::Env(env)); }));
  }
}

}  // namespace criu_node
