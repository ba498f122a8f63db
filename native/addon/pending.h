#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <variant>

#include "addon/mailbox.h"
#include "addon/write_outcome.h"
#include "base/failure.h"

namespace criu_node {

// Whether the event loop has to wait for something.
enum class Liveness { kRef, kUnref };

// The work of one kind that an environment has under way. Each piece has a number, a promise, and
// what JavaScript needs to reach it (an Item); our threads settle it through the mailbox, with a
// Result or a Failure.
//
// Owner: the environment's Addon. Thread: JavaScript's. Letters in the mailbox hold a pointer to
// it: the mailbox drops them before the Addon goes away.
template <typename Item, typename Result>
class Pending {
 public:
  // Makes a value of the result, on the JavaScript thread.
  using Write = std::function<Napi::Value(Napi::Env, Item*, Result*)>;

  Pending(std::shared_ptr<Mailbox> mailbox, Write write)
      : mailbox_(std::move(mailbox)), write_(std::move(write)) {}

  // Settles one promise, on any thread. It is all there from the beginning, so that no want of
  // memory keeps it from that. When it is dropped without a word, as the work has ended by an
  // exception, the promise is rejected.
  class Settle {
   public:
    Settle(std::shared_ptr<Mailbox> mailbox, Pending* pending, uint64_t id)
        : state_(std::make_shared<State>(std::move(mailbox), pending, id)) {}

    void operator()(Result result) const noexcept { state_->Post(std::move(result)); }
    void Fail(Failure failure) const noexcept { state_->Post(std::move(failure)); }

   private:
    using End = std::variant<Failure, Result>;

    class Answer : public Mailbox::Letter {
     public:
      Answer(Pending* pending, uint64_t id) : pending_(pending), id_(id) {}
      void Keep(End end) noexcept { end_ = std::move(end); }
      void Open(Napi::Env env) override { pending_->End(env, id_, &end_); }

     private:
      Pending* pending_;
      uint64_t id_;
      End end_{std::in_place_index<0>, "request", 0, "no result"};
    };

    class State {
     public:
      State(std::shared_ptr<Mailbox> mailbox, Pending* pending, uint64_t id)
          : mailbox_(std::move(mailbox)), answer_(std::make_unique<Answer>(pending, id)) {}
      ~State() {
        if (answer_) mailbox_->Post(std::move(answer_));
      }
      State(const State&) = delete;
      State& operator=(const State&) = delete;
      State(State&&) = delete;
      State& operator=(State&&) = delete;

      void Post(End end) noexcept {
        if (!answer_) return;
        answer_->Keep(std::move(end));
        mailbox_->Post(std::move(answer_));
      }

     private:
      std::shared_ptr<Mailbox> mailbox_;
      std::unique_ptr<Answer> answer_;
    };

    std::shared_ptr<State> state_;
  };

  struct Ticket {
    uint64_t id;
    Napi::Promise promise;
  };

  // Has `start(id, settle)` begin the work. Passes on what it throws; then nothing is under way.
  template <typename Start>
  Ticket Begin(Napi::Env env, Item item, Liveness liveness, Start start) {
    const uint64_t id = ++last_id_;
    const auto [entry, inserted] =
        entries_.emplace(id, Entry{Napi::Promise::Deferred::New(env), std::move(item), liveness});
    if (liveness == Liveness::kRef) mailbox_->Hold(env);
    try {
      start(id, Settle(mailbox_, this, id));
    } catch (...) {
      Remove(env, id);
      throw;
    }
    return {.id = id, .promise = entry->second.deferred.Promise()};
  }

  // Null once it is settled: answers and second thoughts may come late.
  Item* Find(uint64_t id) {
    const auto entry = entries_.find(id);
    return entry == entries_.end() ? nullptr : &entry->second.item;
  }

  template <typename Visit>
  void ForEach(Visit visit) {
    for (auto& [id, entry] : entries_) visit(entry.item);
  }

 private:
  struct Entry {
    Napi::Promise::Deferred deferred;
    Item item;
    Liveness liveness;
  };
  using Node = typename std::map<uint64_t, Entry>::node_type;

  Node Remove(Napi::Env env, uint64_t id) {
    Node node = entries_.extract(id);
    if (!node.empty() && node.mapped().liveness == Liveness::kRef) mailbox_->Release(env);
    return node;
  }

  void End(Napi::Env env, uint64_t id, std::variant<Failure, Result>* end) {
    Node node = Remove(env, id);
    if (node.empty()) return;
    Entry& entry = node.mapped();
    auto* result = std::get_if<Result>(end);
    if (result == nullptr) {
      entry.deferred.Reject(ToError(env, std::get<Failure>(*end)).Value());
      return;
    }
    Napi::Value value;
    const auto failure = Attempt("request", [&] { value = write_(env, &entry.item, result); });
    if (failure) {
      entry.deferred.Reject(ToError(env, *failure).Value());
    } else {
      entry.deferred.Resolve(value);
    }
  }

  std::shared_ptr<Mailbox> mailbox_;
  Write write_;
  std::map<uint64_t, Entry> entries_;
  uint64_t last_id_ = 0;
};

}  // namespace criu_node
