#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>

#include "addon/mailbox.h"
#include "addon/write_outcome.h"
#include "base/failure.h"

namespace criu_node {

// Whether the event loop has to wait for something.
enum class Liveness { kRef, kUnref };

// The work of one kind that an environment has under way. Each piece has a number, a promise, and
// what JavaScript needs to reach it (an Item); our threads settle it through the mailbox.
//
// Owner: the environment's Addon. Thread: JavaScript's. Tasks in the mailbox hold a pointer to it:
// the mailbox drops them before the Addon goes away.
template <typename Item>
class Pending {
 public:
  // Makes a value of the result, on the JavaScript thread.
  using MakeValue = std::function<Napi::Value(Napi::Env)>;
  // Settles the promise. Any thread, once.
  using Settle = std::function<void(MakeValue)>;

  explicit Pending(std::shared_ptr<Mailbox> mailbox) : mailbox_(std::move(mailbox)) {}

  struct Ticket {
    uint64_t id;
    Napi::Promise promise;
  };

  // Has `start(id, settle)` begin the work. Throws what a Failure of it says in JavaScript; then
  // nothing is under way.
  template <typename Start>
  Ticket Begin(Napi::Env env, Item item, Liveness liveness, Start start) {
    const uint64_t id = ++last_id_;
    const auto [entry, inserted] =
        entries_.emplace(id, Entry{Napi::Promise::Deferred::New(env), std::move(item), liveness});
    if (liveness == Liveness::kRef) mailbox_->Hold(env);
    try {
      start(id, [this, id, mailbox = mailbox_](MakeValue make_value) {
        mailbox->Post([this, id, make_value = std::move(make_value)](Napi::Env task_env) {
          Resolve(task_env, id, make_value);
        });
      });
    } catch (const Failure& failure) {
      Remove(env, id);
      throw ToError(env, failure);
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

  void Resolve(Napi::Env env, uint64_t id, const MakeValue& make_value) {
    const Node node = Remove(env, id);
    if (!node.empty()) node.mapped().deferred.Resolve(make_value(env));
  }

  std::shared_ptr<Mailbox> mailbox_;
  std::map<uint64_t, Entry> entries_;
  uint64_t last_id_ = 0;
};

}  // namespace criu_node
