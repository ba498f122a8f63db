#include <dlfcn.h>
#include <napi.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <shared_mutex>

#include "addon/convert.h"
#include "addon/mailbox.h"
#include "addon/read.h"
#include "base/thread_pool.h"
#include "base/unique_fd.h"
#include "linux/fresh_directory.h"
#include "linux/kernel.h"
#include "linux/nftables.h"
#include "linux/resolve.h"
#include "operation/operation.h"
#include "rollback/guard.h"
#include "serve/server.h"
#include "workers/activity.h"
#include "workers/worker_pool.h"

static_assert(__cplusplus >= 202002L);

namespace criu_node {

namespace {

// How long an environment that goes away waits for its operations. CRIU rolls a dump back when it
// finds the socket closed, at its next notification.
constexpr std::chrono::seconds kTeardownLimit{5};

Napi::Error ToError(Napi::Env env, const Failure& failure) {
  auto error = Napi::Error::New(env, failure.message());
  error.Set("stage", Napi::String::New(env, failure.stage()));
  error.Set("errno", Napi::Number::New(env, failure.error_number()));
  return error;
}

}  // namespace

// What one environment (the main thread, or a worker thread) holds. Declared natively in
// lib/native/contract.ts, which documents each function.
class Addon : public Napi::Addon<Addon> {
 public:
  Addon(Napi::Env env, Napi::Object exports) : mailbox_(std::make_shared<Mailbox>(env)) {
    DefineAddon(exports, {
                             InstanceMethod("loadLibrary", &Addon::LoadLibrary),
                             InstanceMethod("optionNames", &Addon::OptionNames),
                             InstanceMethod("start", &Addon::Start),
                             InstanceMethod("cancel", &Addon::Cancel),
                             InstanceMethod("answer", &Addon::Answer),
                             InstanceMethod("serve", &Addon::Serve),
                             InstanceMethod("prepare", &Addon::Prepare),
                             InstanceMethod("waitForChild", &Addon::WaitForChild),
                             InstanceMethod("close", &Addon::Close),
                             InstanceMethod("reseed", &Addon::Reseed),
                             InstanceMethod("hasNftables", &Addon::Nftables),
                             InstanceMethod("exchange", &Addon::ExchangePaths),
                             InstanceMethod("resolveInRoot", &Addon::Resolve),
                             InstanceMethod("makeDirectory", &Addon::MakeDirectory),
                             InstanceMethod("closeDescriptor", &Addon::CloseDescriptor),
                         });
    // Runs before Node's own hook of the mailbox's thread-safe function: last in, first out.
    env.AddCleanupHook([this] { TearDown(); });
  }

 private:
  struct Pending {
    Napi::Promise::Deferred deferred;
    std::shared_ptr<Operation> operation;
    Napi::FunctionReference ask;
  };

  // Whether the event loop has to wait for it.
  enum class Liveness { kRef, kUnref };
  struct Pledge {
    Napi::Promise::Deferred deferred;
    Liveness liveness;
  };

  struct Serving {
    Napi::Promise::Deferred deferred;
    std::shared_ptr<Server> server;
    Napi::FunctionReference ready;
  };

  Napi::Value LoadLibrary(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    try {
      return Napi::String::New(env, LibCriu::Load(ReadValue<std::string>(info[0], "path"))->file());
    } catch (const Failure& failure) {
      throw ToError(env, failure);
    }
  }

  Napi::Value OptionNames(const Napi::CallbackInfo& info) {
    const auto rows = OptionRows();
    auto names = Napi::Array::New(info.Env(), rows.size());
    for (uint32_t i = 0; i < rows.size(); ++i) names[i] = std::string(rows[i].name);
    return names;
  }

  Napi::Value Start(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    std::shared_ptr<Operation> operation;
    try {
      operation =
          std::make_shared<Operation>(ReadRequest(ReadValue<Napi::Object>(info[0], "request")));
    } catch (const Failure& failure) {
      throw ToError(env, failure);
    }
    const uint64_t id = ++last_id_;
    const auto [pending, inserted] =
        pending_.emplace(id, Pending{Napi::Promise::Deferred::New(env), operation, {}});
    if (info[1].IsFunction()) {
      pending->second.ask = Napi::Persistent(info[1].As<Napi::Function>());
    }
    mailbox_->Ref(env);
    // `this` is only touched by tasks, which the mailbox drops once the environment closes.
    try {
      operation->Start(
          [this, id, mailbox = mailbox_](uint64_t number, const Notification& notification) {
            return mailbox->Post([this, id, number, notification](Napi::Env task_env) {
              Ask(task_env, id, number, notification);
            });
          },
          [this, id, mailbox = mailbox_](Outcome outcome) {
            mailbox->Post([this, id, outcome = std::move(outcome)](Napi::Env task_env) {
              Settle(task_env, id, outcome);
            });
          });
    } catch (const Failure& failure) {
      pending_.erase(id);
      UnrefWhenIdle(env);
      throw ToError(env, failure);
    }

    auto handle = Napi::Object::New(env);
    handle["done"] = pending->second.deferred.Promise();
    handle["id"] = Napi::Number::New(env, static_cast<double>(id));
    return handle;
  }

  // None once it is over: answers and second thoughts may come late.
  std::shared_ptr<Operation> Find(const Napi::Value& id) {
    const auto pending = pending_.find(static_cast<uint64_t>(ReadValue<int64_t>(id, "id")));
    return pending == pending_.end() ? nullptr : pending->second.operation;
  }

  void Cancel(const Napi::CallbackInfo& info) {
    if (const auto operation = Find(info[0])) operation->Cancel();
  }

  void Answer(const Napi::CallbackInfo& info) {
    const auto operation = Find(info[0]);
    if (!operation) return;
    operation->Answer(static_cast<uint64_t>(ReadValue<int64_t>(info[1], "number")),
                      {.go_on = ReadValue<bool>(info[2], "goOn"),
                       .external = ReadValue<std::vector<std::string>>(info[3], "external")});
  }

  void Ask(Napi::Env env, uint64_t id, uint64_t number, const Notification& notification) {
    const auto pending = pending_.find(id);
    if (pending == pending_.end() || pending->second.ask.IsEmpty()) return;
    try {
      // From here on it is the handler's.
      const int fd = notification.fd ? notification.fd->Release() : -1;
      pending->second.ask.Call({Napi::Number::New(env, static_cast<double>(number)),
                                Napi::String::New(env, notification.script),
                                Napi::Number::New(env, notification.pid),
                                fd < 0 ? env.Undefined() : Napi::Number::New(env, fd)});
    } catch (const Napi::Error&) {
      // The environment is ending; CRIU is not left waiting for it.
      pending->second.operation->Answer(number, Verdict::Veto());
    }
  }

  // Reaps that one process and none of libuv's.
  Napi::Value WaitForChild(const Napi::CallbackInfo& info) {
    const auto pid = static_cast<pid_t>(ReadValue<int64_t>(info[0], "pid"));
    const auto liveness =
        ReadValue<bool>(info[1], "keepsAlive") ? Liveness::kRef : Liveness::kUnref;
    return Aside(
        info.Env(),
        [pid] {
          return [status = WaitFor(pid)](Napi::Env env) -> Napi::Value {
            auto result = Napi::Object::New(env);
            result["code"] = status.code;
            result["signal"] = status.signal;
            return result;
          };
        },
        liveness);
  }

  Napi::Value Serve(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    auto handle = Napi::Object::New(env);
    std::shared_ptr<Server> server;
    try {
      ServeRequest request = ReadServeRequest(ReadValue<Napi::Object>(info[0], "request"));
      if (request.listener) {
        handle["address"] = request.listener->address;
        handle["port"] = request.listener->port;
      }
      server = std::make_shared<Server>(std::move(request));
    } catch (const Failure& failure) {
      throw ToError(env, failure);
    }
    const uint64_t id = ++last_id_;
    auto& serving =
        serving_.emplace(id, Serving{Napi::Promise::Deferred::New(env), server, {}}).first->second;
    serving.ready = Napi::Persistent(info[1].As<Napi::Function>());
    mailbox_->Ref(env);
    try {
      server->Start(
          [this, id, mailbox = mailbox_](const std::string& peer) {
            mailbox->Post([this, id, peer](Napi::Env task_env) {
              const auto found = serving_.find(id);
              if (found != serving_.end()) {
                found->second.ready.Call({Napi::String::New(task_env, peer)});
              }
            });
          },
          [this, id, mailbox = mailbox_](ServeOutcome outcome) {
            mailbox->Post([this, id, outcome = std::move(outcome)](Napi::Env task_env) {
              const auto node = serving_.extract(id);
              UnrefWhenIdle(task_env);
              node.mapped().deferred.Resolve(WriteServeOutcome(task_env, outcome));
            });
          });
    } catch (const Failure& failure) {
      serving_.erase(id);
      UnrefWhenIdle(env);
      throw ToError(env, failure);
    }
    handle["done"] = serving.deferred.Promise();
    handle["stop"] =
        Napi::Function::New(env, [weak = std::weak_ptr(server)](const Napi::CallbackInfo& call) {
          if (const auto alive = weak.lock()) alive->Stop(ReadValue<bool>(call[0], "force"));
        });
    return handle;
  }

  void Prepare(const Napi::CallbackInfo& info) {
    const auto object = ReadValue<Napi::Object>(info[0], "settings");
    WorkerSettings settings = ReadWorkerSettings(object);
    const auto spares = static_cast<size_t>(Read<int64_t>(object, "spares"));
    auto work = [settings = std::move(settings), spares] {
      try {
        const std::shared_lock active(Activity());
        Guard::Get().Start();
        WorkerPool::Get().Refill(settings, spares);
      } catch (const std::exception&) {
        // The operation that needs them starts its own, and reports what is wrong.
      }
    };
    try {
      ThreadPool::Get().Run("criu-prepare", std::move(work));
    } catch (const Failure&) {
      // Likewise.
    }
  }

  void Close(const Napi::CallbackInfo& /*info*/) {
    WorkerPool::Get().Close();
    Guard::Get().Close();
  }

  // Node exports the OpenSSL that it is linked with; without, there is nothing to seed.
  Napi::Value Reseed(const Napi::CallbackInfo& info) {
    auto* poll = reinterpret_cast<int (*)()>(dlsym(RTLD_DEFAULT, "RAND_poll"));
    return Napi::Boolean::New(info.Env(), poll != nullptr && poll() == 1);
  }

  Napi::Value Nftables(const Napi::CallbackInfo& info) {
    return Napi::Boolean::New(info.Env(), HasNftables(OpenNftables()));
  }

  void ExchangePaths(const Napi::CallbackInfo& info) {
    try {
      Exchange(ReadValue<std::string>(info[0], "first"), ReadValue<std::string>(info[1], "second"));
    } catch (const Failure& failure) {
      throw ToError(info.Env(), failure);
    }
  }

  Napi::Value Resolve(const Napi::CallbackInfo& info) {
    auto root = ReadValue<std::string>(info[0], "root");
    auto paths = ReadValue<std::vector<std::string>>(info[1], "paths");
    return Aside(info.Env(), [root = std::move(root), paths = std::move(paths)] {
      return [resolved = ResolveInRoot(root, paths)](Napi::Env env) -> Napi::Value {
        auto array = Napi::Array::New(env, resolved.size());
        for (uint32_t i = 0; i < resolved.size(); ++i) {
          if (resolved[i]) array[i] = *resolved[i];
        }
        return array;
      };
    });
  }

  Napi::Value MakeDirectory(const Napi::CallbackInfo& info) {
    auto directory = ReadFreshDirectory(ReadValue<Napi::Object>(info[0], "directory"));
    return Aside(info.Env(), [this, directory = std::move(directory)] {
      auto made = std::make_shared<UniqueFd>(MakeFreshDirectory(directory));
      return [this, made = std::move(made)](Napi::Env env) -> Napi::Value {
        return made->valid() ? Napi::Number::New(env, Lend(made.get())) : env.Undefined();
      };
    });
  }

  // To JavaScript, until it says that it has done with it, or the environment ends.
  int Lend(UniqueFd* descriptor) {
    const int fd = descriptor->get();
    lent_[fd] = std::move(*descriptor);
    return fd;
  }

  void CloseDescriptor(const Napi::CallbackInfo& info) {
    lent_.erase(static_cast<int>(ReadValue<int64_t>(info[0], "fd")));
  }

  // A promise of what `work` finds out on a thread of its own, which may wait for a file system.
  // `work` returns what makes a value of it on the JavaScript thread.
  template <typename Work>
  Napi::Value Aside(Napi::Env env, Work work, Liveness liveness = Liveness::kRef) {
    const uint64_t id = ++last_id_;
    const auto [entry, inserted] =
        aside_.emplace(id, Pledge{Napi::Promise::Deferred::New(env), liveness});
    if (liveness == Liveness::kRef) mailbox_->Ref(env);
    auto body = [this, id, mailbox = mailbox_, work = std::move(work)] {
      mailbox->Post([this, id, make_value = work()](Napi::Env task_env) {
        const auto node = aside_.extract(id);
        UnrefWhenIdle(task_env);
        node.mapped().deferred.Resolve(make_value(task_env));
      });
    };
    try {
      ThreadPool::Get().Run("criu-aside", std::move(body));
    } catch (const Failure& failure) {
      aside_.erase(id);
      UnrefWhenIdle(env);
      throw ToError(env, failure);
    }
    return entry->second.deferred.Promise();
  }

  void UnrefWhenIdle(Napi::Env env) {
    const bool waits = std::ranges::any_of(
        aside_, [](const auto& entry) { return entry.second.liveness == Liveness::kRef; });
    if (pending_.empty() && serving_.empty() && !waits) mailbox_->Unref(env);
  }

  void Settle(Napi::Env env, uint64_t id, const Outcome& outcome) {
    const auto node = pending_.extract(id);
    if (node.empty()) return;
    UnrefWhenIdle(env);
    node.mapped().deferred.Resolve(WriteOutcome(env, outcome));
    if (outcome.images) Lend(outcome.images.get());
  }

  void TearDown() {
    mailbox_->Close();
    for (const auto& [id, pending] : pending_) pending.operation->Abandon();
    for (const auto& [id, serving] : serving_) serving.server->Stop(false);
    const auto deadline = std::chrono::steady_clock::now() + kTeardownLimit;
    for (const auto& [id, pending] : pending_) pending.operation->WaitUntil(deadline);
    for (const auto& [id, serving] : serving_) serving.server->WaitUntil(deadline);
  }

  std::shared_ptr<Mailbox> mailbox_;
  std::map<uint64_t, Pending> pending_;
  std::map<uint64_t, Pledge> aside_;
  std::map<uint64_t, Serving> serving_;
  std::map<int, UniqueFd> lent_;
  uint64_t last_id_ = 0;
};

}  // namespace criu_node

namespace {
using Addon = criu_node::Addon;
NODE_API_ADDON(Addon)
}  // namespace
