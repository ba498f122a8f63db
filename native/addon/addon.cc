#include <dlfcn.h>
#include <napi.h>

#include <chrono>
#include <map>
#include <memory>
#include <vector>

#include "addon/mailbox.h"
#include "addon/pending.h"
#include "addon/read.h"
#include "addon/read_request.h"
#include "addon/write_outcome.h"
#include "base/thread_pool.h"
#include "base/unique_fd.h"
#include "linux/exchange.h"
#include "linux/fresh_directory.h"
#include "linux/kill_process.h"
#include "linux/lock.h"
#include "linux/nftables.h"
#include "linux/resolve.h"
#include "operation/operation.h"
#include "operation/standby.h"
#include "serve/server.h"

static_assert(__cplusplus >= 202002L);

namespace criu_node {

namespace {

// How long an environment that goes away waits for its operations. CRIU rolls a dump back when it
// finds the socket closed, at its next notification.
constexpr std::chrono::seconds kTeardownLimit{5};
// How long close() waits for processes that were killed. They end in milliseconds, unless the
// kernel holds them up.
constexpr std::chrono::seconds kCloseLimit{5};

}  // namespace

// What one environment (the main thread, or a worker thread) holds. lib/native/contract.ts declares
// and documents each function.
//
// Owner: the environment. Thread: JavaScript's.
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
                             InstanceMethod("createStandby", &Addon::CreateStandby),
                             InstanceMethod("prepare", &Addon::Prepare),
                             InstanceMethod("waitForChild", &Addon::WaitForChild),
                             InstanceMethod("close", &Addon::Close),
                             InstanceMethod("closeAll", &Addon::CloseAll),
                             InstanceMethod("reseed", &Addon::Reseed),
                             InstanceMethod("hasNftables", &Addon::Nftables),
                             InstanceMethod("exchange", &Addon::ExchangePaths),
                             InstanceMethod("kill", &Addon::Kill),
                             InstanceMethod("resolveInRoot", &Addon::Resolve),
                             InstanceMethod("makeDirectory", &Addon::MakeDirectory),
                             InstanceMethod("closeDescriptor", &Addon::CloseDescriptor),
                             InstanceMethod("duplicate", &Addon::Duplicate),
                             InstanceMethod("lock", &Addon::Lock),
                             InstanceMethod("unlock", &Addon::Unlock),
                         });
    // Runs before Node's own hook of the mailbox's thread-safe function: last in, first out.
    env.AddCleanupHook([this] { TearDown(); });
  }

 private:
  // An operation, and the functions of JavaScript that hear of its notifications.
  struct OperationHandle {
    std::shared_ptr<Operation> operation;
    Napi::FunctionReference ask;
    Napi::FunctionReference tell;
  };

  // A criu that serves, and the function of JavaScript that hears when it is ready.
  struct ServerHandle {
    std::shared_ptr<Server> server;
    Napi::FunctionReference ready;
  };

  // A result that is found out on another thread, which nobody reaches meanwhile.
  struct Errand {};

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

  Napi::Value Duplicate(const Napi::CallbackInfo& info) {
    UniqueFd copy = UniqueFd::Duplicate(static_cast<int>(ReadValue<int64_t>(info[0], "fd")));
    if (!copy.valid()) {
      throw ToError(info.Env(), Failure::System("request", "cannot copy a descriptor"));
    }
    return Napi::Number::New(info.Env(), copy.Release());
  }

  void Unlock(const Napi::CallbackInfo& info) {
    criu_node::Unlock(static_cast<int>(ReadValue<int64_t>(info[0], "fd")));
  }

  Napi::Value Lock(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    try {
      const int fd = static_cast<int>(ReadValue<int64_t>(info[0], "fd"));
      const auto mode =
          ReadValue<bool>(info[1], "shared") ? LockMode::kShared : LockMode::kExclusive;
      return Napi::Boolean::New(env, TryLock(fd, mode));
    } catch (const Failure& failure) {
      throw ToError(env, failure);
    }
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
    OperationHandle item{.operation = operation,
                         .ask = ReadFunction(info[1], "ask"),
                         .tell = ReadFunction(info[2], "tell")};
    const auto start = [&](uint64_t id, const auto& settle) {
      operation->Start(
          [this, id, mailbox = mailbox_](const Notification& notification) {
            mailbox->Post(
                [this, id, notification](Napi::Env task_env) { Tell(task_env, id, notification); });
          },
          [this, id, mailbox = mailbox_](uint64_t number, const Notification& notification) {
            return mailbox->Post([this, id, number, notification](Napi::Env task_env) {
              Ask(task_env, id, number, notification);
            });
          },
          [this, settle](Outcome outcome) {
            settle([this, outcome = std::move(outcome)](Napi::Env task_env) -> Napi::Value {
              const auto value = WriteOutcome(task_env, outcome);
              if (outcome.images) Lend(outcome.images.get());
              return value;
            });
          });
    };
    const auto [id, promise] = operations_.Begin(env, std::move(item), Liveness::kRef, start);
    auto handle = Napi::Object::New(env);
    handle["done"] = promise;
    handle["id"] = Napi::Number::New(env, static_cast<double>(id));
    return handle;
  }

  // Null once it is over.
  OperationHandle* FindOperation(const Napi::Value& id) {
    return operations_.Find(static_cast<uint64_t>(ReadValue<int64_t>(id, "id")));
  }

  void Cancel(const Napi::CallbackInfo& info) {
    if (const auto* found = FindOperation(info[0])) found->operation->Cancel();
  }

  void Answer(const Napi::CallbackInfo& info) {
    const auto* found = FindOperation(info[0]);
    if (found == nullptr) return;
    found->operation->Answer(
        static_cast<uint64_t>(ReadValue<int64_t>(info[1], "number")),
        {.go_on = ReadValue<bool>(info[2], "goOn"),
         .external = ReadValue<std::vector<std::string>>(info[3], "external")});
  }

  void Tell(Napi::Env env, uint64_t id, const Notification& notification) {
    const auto* found = operations_.Find(id);
    if (found == nullptr || found->tell.IsEmpty()) return;
    found->tell.Call({Napi::String::New(env, notification.script)});
  }

  void Ask(Napi::Env env, uint64_t id, uint64_t number, const Notification& notification) {
    const auto* found = operations_.Find(id);
    if (found == nullptr || found->ask.IsEmpty()) return;
    // The function may outlive the entry, and a verdict must reach the operation.
    const auto operation = found->operation;
    try {
      // The descriptor is the handler's from here on.
      const int fd = notification.fd ? notification.fd->Release() : -1;
      found->ask.Call({Napi::Number::New(env, static_cast<double>(number)),
                       Napi::String::New(env, notification.script),
                       Napi::Number::New(env, notification.pid),
                       fd < 0 ? env.Undefined() : Napi::Number::New(env, fd)});
    } catch (const Napi::Error&) {
      // The environment is ending; CRIU is not left waiting for it.
      operation->Answer(number, Verdict::Veto());
    }
  }

  // Reaps that one process, and none of libuv's.
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
    ServerHandle item{.server = server, .ready = ReadFunction(info[1], "ready")};
    const auto start = [&](uint64_t id, const auto& settle) {
      server->Start(
          [this, id, mailbox = mailbox_](const std::string& peer) {
            mailbox->Post([this, id, peer](Napi::Env task_env) {
              const auto* found = servers_.Find(id);
              if (found != nullptr) found->ready.Call({Napi::String::New(task_env, peer)});
            });
          },
          [settle](ServeOutcome outcome) {
            settle([outcome = std::move(outcome)](Napi::Env task_env) -> Napi::Value {
              return WriteServeOutcome(task_env, outcome);
            });
          });
    };
    handle["done"] = servers_.Begin(env, std::move(item), Liveness::kRef, start).promise;
    handle["stop"] =
        Napi::Function::New(env, [weak = std::weak_ptr(server)](const Napi::CallbackInfo& call) {
          if (const auto alive = weak.lock()) alive->Stop(ReadValue<bool>(call[0], "force"));
        });
    return handle;
  }

  // What is returned keeps it, and closes it when it is garbage.
  Napi::Value CreateStandby(const Napi::CallbackInfo& info) {
    auto standby = Standby::Make(static_cast<size_t>(ReadValue<int64_t>(info[0], "spares")));
    std::erase_if(standbys_, [](const auto& one) { return one.expired(); });
    standbys_.push_back(standby);
    return WriteStandby(info.Env(), std::move(standby));
  }

  void Prepare(const Napi::CallbackInfo& info) {
    const auto settings = ReadWorkerSettings(ReadValue<Napi::Object>(info[1], "settings"));
    ReadStandby(info[0])->Prepare(settings);
  }

  Napi::Value Close(const Napi::CallbackInfo& info) {
    auto standby = ReadStandby(info[0]);
    standby->Close();
    return Aside(info.Env(), [standby = std::move(standby)] {
      standby->WaitUntilClosed(std::chrono::steady_clock::now() + kCloseLimit);
      return [](Napi::Env env) -> Napi::Value { return env.Undefined(); };
    });
  }

  Napi::Value CloseAll(const Napi::CallbackInfo& info) {
    return Aside(info.Env(), [] {
      Standby::EndAll(std::chrono::steady_clock::now() + kCloseLimit);
      return [](Napi::Env env) -> Napi::Value { return env.Undefined(); };
    });
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

  Napi::Value Kill(const Napi::CallbackInfo& info) {
    try {
      const auto pid = static_cast<pid_t>(ReadValue<int64_t>(info[0], "pid"));
      const auto start_time = static_cast<uint64_t>(ReadValue<int64_t>(info[1], "startTime"));
      return Napi::Boolean::New(info.Env(), KillProcess(pid, start_time));
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

  // Gives a descriptor to JavaScript until that has done with it, or the environment ends.
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
    const auto start = [&work](uint64_t /*id*/, const auto& settle) {
      ThreadPool::Get().Run("criu-aside",
                            [settle, work = std::move(work)]() mutable { settle(work()); });
    };
    return errands_.Begin(env, {}, liveness, start).promise;
  }

  void TearDown() {
    mailbox_->Close();
    operations_.ForEach([](OperationHandle& handle) { handle.operation->Abandon(); });
    servers_.ForEach([](ServerHandle& handle) { handle.server->Stop(false); });
    std::vector<std::shared_ptr<Standby>> standbys;
    for (const auto& one : standbys_) {
      if (auto standby = one.lock()) standbys.push_back(std::move(standby));
    }
    for (const auto& standby : standbys) standby->Close();
    const auto deadline = std::chrono::steady_clock::now() + kTeardownLimit;
    operations_.ForEach([&](OperationHandle& handle) { handle.operation->WaitUntil(deadline); });
    servers_.ForEach([&](ServerHandle& handle) { handle.server->WaitUntil(deadline); });
    for (const auto& standby : standbys) standby->WaitUntilClosed(deadline);
  }

  std::shared_ptr<Mailbox> mailbox_;
  Pending<OperationHandle> operations_{mailbox_};
  Pending<ServerHandle> servers_{mailbox_};
  Pending<Errand> errands_{mailbox_};
  std::map<int, UniqueFd> lent_;
  std::vector<std::weak_ptr<Standby>> standbys_;  // those that JavaScript may still have
};

}  // namespace criu_node

namespace {
using Addon = criu_node::Addon;
NODE_API_ADDON(Addon)
}  // namespace
