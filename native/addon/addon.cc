#include <dlfcn.h>
#include <fcntl.h>
#include <napi.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

#include "addon/loans.h"
#include "addon/mailbox.h"
#include "addon/pending.h"
#include "addon/read.h"
#include "addon/read_request.h"
#include "addon/write_outcome.h"
#include "addon/write_sockets.h"
#include "base/thread_pool.h"
#include "base/unique_fd.h"
#include "linux/connect_unix.h"
#include "linux/exchange.h"
#include "linux/file_metadata.h"
#include "linux/fresh_directory.h"
#include "linux/kill_process.h"
#include "linux/lock.h"
#include "linux/memberships.h"
#include "linux/memory_file.h"
#include "linux/nftables.h"
#include "linux/process_facts.h"
#include "linux/resolve.h"
#include "linux/unix_sockets.h"
#include "operation/operation.h"
#include "operation/standby.h"
#include "serve/server.h"

static_assert(__cplusplus > 201703L);

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
                             Method<&Addon::LoadLibrary>("loadLibrary"),
                             Method<&Addon::OptionNames>("optionNames"),
                             Method<&Addon::Start>("start"),
                             Method<&Addon::Cancel>("cancel"),
                             Method<&Addon::Answer>("answer"),
                             Method<&Addon::Serve>("serve"),
                             Method<&Addon::CreateStandby>("createStandby"),
                             Method<&Addon::Prepare>("prepare"),
                             Method<&Addon::WaitForChild>("waitForChild"),
                             Method<&Addon::RunProgram>("runProgram"),
                             Method<&Addon::Close>("close"),
                             Method<&Addon::CloseAll>("closeAll"),
                             Method<&Addon::Reseed>("reseed"),
                             Method<&Addon::Nftables>("hasNftables"),
                             Method<&Addon::ExchangePaths>("exchange"),
                             Method<&Addon::SetFileAttribute>("setAttribute"),
                             Method<&Addon::MakeNamedPipe>("makeFifo"),
                             Method<&Addon::Kill>("kill"),
                             Method<&Addon::Resolve>("resolveInRoot"),
                             Method<&Addon::Modes>("fileModes"),
                             Method<&Addon::MakeDirectory>("makeDirectory"),
                             Method<&Addon::CloseDescriptor>("closeDescriptor"),
                             Method<&Addon::Duplicate>("duplicate"),
                             Method<&Addon::MakePipe>("makePipe"),
                             Method<&Addon::Connect>("connectUnix"),
                             Method<&Addon::KeepInMemory>("keepInMemory"),
                             Method<&Addon::UnconnectedSocket>("unconnectedSocket"),
                             Method<&Addon::SocketPair>("socketPair"),
                             Method<&Addon::ReleaseDescriptor>("releaseDescriptor"),
                             Method<&Addon::CompareProcesses>("compareProcesses"),
                             Method<&Addon::FileSeals>("fileSeals"),
                             Method<&Addon::SocketProtocol>("socketProtocol"),
                             Method<&Addon::PassesControl>("passesControl"),
                             Method<&Addon::UnixSockets>("unixSockets"),
                             Method<&Addon::MembershipsIn>("memberships"),
                             Method<&Addon::Lock>("lock"),
                             Method<&Addon::Unlock>("unlock"),
                         });
    // Runs before Node's own hook of the mailbox's thread-safe function: last in, first out.
    env.AddCleanupHook([this] { TearDown(); });
  }

 private:
  // An operation, and the functions of JavaScript that hear of its notifications.
  struct OperationHandle {
    std::shared_ptr<Operation> operation;
    Loans::Room images;
    Napi::FunctionReference ask;
    Napi::FunctionReference tell;
  };

  // A criu that serves, and the function of JavaScript that hears when it is ready.
  struct ServerHandle {
    std::shared_ptr<Server> server;
    Napi::FunctionReference ready;
  };

  // Work that is done on another thread, which nobody reaches meanwhile. What it finds out makes a
  // value of itself on the JavaScript thread.
  struct Errand {};
  using Finding = std::function<Napi::Value(Napi::Env)>;

  // A function of ours as JavaScript has it. Whatever it throws becomes an error of JavaScript's
  // here, and nowhere else: an exception must not leave for Node.
  template <auto function>
  static Napi::ClassPropertyDescriptor<Addon> Method(const char* name) {
    return InstanceMethod<&Addon::Call<function>>(name);
  }

  template <auto function>
  Napi::Value Call(const Napi::CallbackInfo& info) {
    try {
      if constexpr (std::is_void_v<decltype((this->*function)(info))>) {
        (this->*function)(info);
        return info.Env().Undefined();
      } else {
        return (this->*function)(info);
      }
    } catch (const Napi::Error&) {
      throw;
    } catch (...) {
      throw ToError(info.Env(), Failure::Caught("request"));
    }
  }

  Napi::Value LoadLibrary(const Napi::CallbackInfo& info) {
    const auto library = LibCriu::Load(ReadValue<std::string>(info[0], "path"));
    return Napi::String::New(info.Env(), library->file());
  }

  Napi::Value OptionNames(const Napi::CallbackInfo& info) {
    const auto rows = OptionRows();
    auto names = Napi::Array::New(info.Env(), rows.size());
    for (uint32_t i = 0; i < rows.size(); ++i) names[i] = std::string(rows[i].name);
    return names;
  }

  Napi::Value Duplicate(const Napi::CallbackInfo& info) {
    UniqueFd copy = UniqueFd::Duplicate(static_cast<int>(ReadValue<int64_t>(info[0], "fd")));
    if (!copy.valid()) throw Failure::System("request", "cannot copy a descriptor");
    return Napi::Number::New(info.Env(), copy.Release());
  }

  using Rooms = std::array<Loans::Room, 2>;

  // Lends both ends of what was just made, for which there is room.
  Napi::Value LendBoth(Napi::Env env, Rooms rooms, const std::array<int, 2>& ends) {
    std::array<UniqueFd, 2> owned{UniqueFd(ends[0]), UniqueFd(ends[1])};
    auto array = Napi::Array::New(env, owned.size());
    for (uint32_t i = 0; i < owned.size(); ++i) {
      array[i] = loans_.Lend(std::move(rooms.at(i)), std::move(owned.at(i)));
    }
    return array;
  }

  Napi::Value MakePipe(const Napi::CallbackInfo& info) {
    Rooms rooms{Loans::MakeRoom(), Loans::MakeRoom()};
    std::array<int, 2> ends{};
    const int waits = ReadValue<bool>(info[0], "nonBlocking") ? O_NONBLOCK : 0;
    if (pipe2(ends.data(), O_CLOEXEC | waits) != 0) {
      throw Failure::System("request", "cannot make a pipe");
    }
    return LendBoth(info.Env(), std::move(rooms), ends);
  }

  void Unlock(const Napi::CallbackInfo& info) {
    criu_node::Unlock(static_cast<int>(ReadValue<int64_t>(info[0], "fd")));
  }

  Napi::Value Lock(const Napi::CallbackInfo& info) {
    const int fd = static_cast<int>(ReadValue<int64_t>(info[0], "fd"));
    const auto mode = ReadValue<bool>(info[1], "shared") ? LockMode::kShared : LockMode::kExclusive;
    return Napi::Boolean::New(info.Env(), TryLock(fd, mode));
  }

  Napi::Value Start(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    Request request = ReadRequest(ReadValue<Napi::Object>(info[0], "request"));
    const bool is_clone = request.extras.clone.has_value();
    auto operation = std::make_shared<Operation>(std::move(request));
    OperationHandle item{.operation = operation,
                         .images = Loans::MakeRoom(),
                         .ask = ReadFunction(info[1], "ask"),
                         .tell = ReadFunction(info[2], "tell")};
    auto handle = Napi::Object::New(env);
    Operation::Ended ended;
    if (is_clone) handle["ended"] = Clone(env, &ended);
    const auto start = [&](uint64_t id, const auto& settle) {
      operation->Start(
          [this, id, mailbox = mailbox_](const Notification& notification) {
            mailbox->PostTask(
                [this, id, notification](Napi::Env task_env) { Tell(task_env, id, notification); });
          },
          [this, id, mailbox = mailbox_](uint64_t number, const Notification& notification) {
            return mailbox->PostTask([this, id, number, notification](Napi::Env task_env) {
              Ask(task_env, id, number, notification);
            });
          },
          [settle](Outcome outcome) { settle(std::move(outcome)); }, ended);
    };
    const auto [id, promise] = operations_.Begin(env, std::move(item), Liveness::kRef, start);
    handle["done"] = promise;
    handle["id"] = Napi::Number::New(env, static_cast<double>(id));
    return handle;
  }

  // The promise of how a clone ends, undefined when there is none in the end. `ended` settles it.
  Napi::Value Clone(Napi::Env env, Operation::Ended* ended) {
    const auto begin = [ended](uint64_t /*id*/, const auto& settle) {
      // Where it is never called there has been no clone.
      const std::shared_ptr<void> otherwise(nullptr, [settle](void*) { settle(WriteEnd({})); });
      *ended = [settle, otherwise](std::optional<ExitStatus> status) { settle(WriteEnd(status)); };
    };
    return errands_.Begin(env, {}, Liveness::kRef, begin).promise;
  }

  static Finding WriteEnd(std::optional<ExitStatus> status) {
    return [status](Napi::Env env) -> Napi::Value {
      if (!status) return env.Undefined();
      auto result = Napi::Object::New(env);
      result["code"] = status->code;
      result["signal"] = status->signal;
      return result;
    };
  }

  // The last of all that is done for an operation, whose images may be all that is left of tasks:
  // nothing of ours in it takes memory.
  Napi::Value EndOperation(Napi::Env env, OperationHandle* handle, Outcome* outcome) {
    const auto value = WriteOutcome(env, *outcome);
    if (outcome->images) loans_.Lend(std::move(handle->images), std::move(*outcome->images));
    return value;
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
    const auto number = static_cast<uint64_t>(ReadValue<int64_t>(info[1], "number"));
    Verdict verdict{.go_on = ReadValue<bool>(info[2], "goOn"), .external = {}};
    try {
      verdict.external = ReadValue<std::vector<std::string>>(info[3], "external");
    } catch (const std::bad_alloc&) {
      // Nobody would answer CRIU any more.
      verdict = Verdict::Veto();
    }
    found->operation->Answer(number, std::move(verdict));
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
        info.Env(), [pid] { return WriteEnd(WaitFor(pid)); }, liveness);
  }

  Napi::Value RunProgram(const Napi::CallbackInfo& info) {
    const pid_t pid =
        Spawn({.stage = "run",
               .program = ReadValue<std::string>(info[0], "program"),
               .arguments = ReadValue<std::vector<std::string>>(info[1], "arguments"),
               .environment = ReadValue<std::vector<std::string>>(info[2], "environment"),
               .session = Session::kOurs,
               .umask = Umask::kOurs});
    return Aside(
        info.Env(), [pid] { return WriteEnd(WaitFor(pid)); }, Liveness::kRef);
  }

  Napi::Value Serve(const Napi::CallbackInfo& info) {
    const Napi::Env env = info.Env();
    auto handle = Napi::Object::New(env);
    ServeRequest request = ReadServeRequest(ReadValue<Napi::Object>(info[0], "request"));
    if (request.listener) {
      handle["address"] = request.listener->address;
      handle["port"] = request.listener->port;
    }
    auto server = std::make_shared<Server>(std::move(request));
    ServerHandle item{.server = server, .ready = ReadFunction(info[1], "ready")};
    const auto start = [&](uint64_t id, const auto& settle) {
      server->Start(
          [this, id, mailbox = mailbox_](const std::string& peer) {
            mailbox->PostTask([this, id, peer](Napi::Env task_env) {
              const auto* found = servers_.Find(id);
              if (found != nullptr) found->ready.Call({Napi::String::New(task_env, peer)});
            });
          },
          [settle](ServeOutcome outcome) { settle(std::move(outcome)); });
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
    Exchange(ReadValue<std::string>(info[0], "first"), ReadValue<std::string>(info[1], "second"));
  }

  void SetFileAttribute(const Napi::CallbackInfo& info) {
    SetAttribute(ReadBytes(info[0], "path"), ReadValue<std::string>(info[1], "name"),
                 ReadBytes(info[2], "value"));
  }

  void MakeNamedPipe(const Napi::CallbackInfo& info) {
    MakeFifo(ReadBytes(info[0], "path"),
             static_cast<unsigned>(ReadValue<int64_t>(info[1], "mode")));
  }

  Napi::Value Kill(const Napi::CallbackInfo& info) {
    const auto pid = static_cast<pid_t>(ReadValue<int64_t>(info[0], "pid"));
    const auto start_time = static_cast<uint64_t>(ReadValue<int64_t>(info[1], "startTime"));
    return Napi::Boolean::New(info.Env(), KillProcess(pid, start_time));
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

  Napi::Value Modes(const Napi::CallbackInfo& info) {
    auto paths = ReadValue<std::vector<std::string>>(info[0], "paths");
    return Aside(info.Env(), [paths = std::move(paths)] {
      return [modes = FileModes(paths)](Napi::Env env) -> Napi::Value {
        auto array = Napi::Array::New(env, modes.size());
        for (uint32_t i = 0; i < modes.size(); ++i) array[i] = modes[i];
        return array;
      };
    });
  }

  Napi::Value MakeDirectory(const Napi::CallbackInfo& info) {
    struct Made {
      Loans::Room room = Loans::MakeRoom();
      UniqueFd directory;
    };
    auto directory = ReadFreshDirectory(ReadValue<Napi::Object>(info[0], "directory"));
    return Aside(info.Env(),
                 [this, directory = std::move(directory), made = std::make_shared<Made>()] {
                   made->directory = MakeFreshDirectory(directory);
                   return [this, made](Napi::Env env) -> Napi::Value {
                     if (!made->directory.valid()) return env.Undefined();
                     const int fd = loans_.Lend(std::move(made->room), std::move(made->directory));
                     return Napi::Number::New(env, fd);
                   };
                 });
  }

  void CloseDescriptor(const Napi::CallbackInfo& info) {
    loans_.TakeBack(static_cast<int>(ReadValue<int64_t>(info[0], "fd")));
  }

  Napi::Value Connect(const Napi::CallbackInfo& info) {
    Loans::Room room = Loans::MakeRoom();
    UniqueFd socket = ConnectUnix(ReadValue<std::string>(info[0], "path"));
    return Napi::Number::New(info.Env(), loans_.Lend(std::move(room), std::move(socket)));
  }

  Napi::Value KeepInMemory(const Napi::CallbackInfo& info) {
    Loans::Room room = Loans::MakeRoom();
    const auto name = ReadValue<std::string>(info[0], "name");
    UniqueFd file = MakeMemoryFile("request", name.c_str(), ReadBytes(info[1], "content"));
    return Napi::Number::New(info.Env(), loans_.Lend(std::move(room), std::move(file)));
  }

  Napi::Value UnconnectedSocket(const Napi::CallbackInfo& info) {
    Loans::Room room = Loans::MakeRoom();
    UniqueFd made(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!made.valid()) throw Failure::System("request", "cannot make a socket");
    return Napi::Number::New(info.Env(), loans_.Lend(std::move(room), std::move(made)));
  }

  Napi::Value SocketPair(const Napi::CallbackInfo& info) {
    Rooms rooms{Loans::MakeRoom(), Loans::MakeRoom()};
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
      throw Failure::System("request", "cannot make a pair of sockets");
    }
    return LendBoth(info.Env(), std::move(rooms), ends);
  }

  void ReleaseDescriptor(const Napi::CallbackInfo& info) {
    loans_.Release(static_cast<int>(ReadValue<int64_t>(info[0], "fd")));
  }

  Napi::Value CompareProcesses(const Napi::CallbackInfo& info) {
    const auto what = static_cast<Shared>(ReadValue<int64_t>(info[0], "what"));
    const auto first = static_cast<pid_t>(ReadValue<int64_t>(info[1], "first"));
    const auto second = static_cast<pid_t>(ReadValue<int64_t>(info[2], "second"));
    const auto order = Compare(what, first, second);
    return order ? Napi::Number::New(info.Env(), *order) : info.Env().Undefined();
  }

  Napi::Value FileSeals(const Napi::CallbackInfo& info) {
    const auto seals = criu_node::FileSeals(ReadValue<std::string>(info[0], "link"));
    return seals ? Napi::Number::New(info.Env(), *seals) : info.Env().Undefined();
  }

  Napi::Value SocketProtocol(const Napi::CallbackInfo& info) {
    const auto pid = static_cast<pid_t>(ReadValue<int64_t>(info[0], "pid"));
    const auto fd = static_cast<int>(ReadValue<int64_t>(info[1], "fd"));
    const auto name = criu_node::SocketProtocol(pid, fd);
    return name ? Napi::String::New(info.Env(), *name) : info.Env().Undefined();
  }

  Napi::Value UnixSockets(const Napi::CallbackInfo& info) {
    const auto pid = static_cast<pid_t>(ReadValue<int64_t>(info[0], "pid"));
    return Aside(info.Env(), [pid] {
      return [sockets = criu_node::UnixSockets(pid)](Napi::Env env) -> Napi::Value {
        return sockets ? WriteUnixSockets(env, *sockets) : env.Undefined();
      };
    });
  }

  Napi::Value PassesControl(const Napi::CallbackInfo& info) {
    const auto pid = static_cast<pid_t>(ReadValue<int64_t>(info[0], "pid"));
    const auto fd = static_cast<int>(ReadValue<int64_t>(info[1], "fd"));
    const auto passes = criu_node::PassesControl(pid, fd);
    return passes ? Napi::Boolean::New(info.Env(), *passes) : info.Env().Undefined();
  }

  Napi::Value MembershipsIn(const Napi::CallbackInfo& info) {
    const auto pid = static_cast<pid_t>(ReadValue<int64_t>(info[0], "pid"));
    return Aside(info.Env(), [pid] {
      return [found = criu_node::MembershipsIn(pid)](Napi::Env env) -> Napi::Value {
        return found ? WriteMemberships(env, *found) : env.Undefined();
      };
    });
  }

  // A promise of what `work` finds out on a thread of its own, which may wait for a file system.
  // `work` returns a Finding, or throws.
  template <typename Work>
  Napi::Value Aside(Napi::Env env, Work work, Liveness liveness = Liveness::kRef) {
    const auto start = [&work](uint64_t /*id*/, const auto& settle) {
      ThreadPool::Get().Run("criu-aside", [settle, work = std::move(work)]() mutable {
        try {
          settle(work());
        } catch (...) {
          settle.Fail(Failure::Caught("request"));
        }
      });
    };
    return errands_.Begin(env, {}, liveness, start).promise;
  }

  // Called by Node, which an exception must not reach. It takes no memory.
  void TearDown() noexcept {
    mailbox_->Close();
    operations_.ForEach([](OperationHandle& handle) { handle.operation->Abandon(); });
    servers_.ForEach([](ServerHandle& handle) { handle.server->Stop(false); });
    for (const auto& one : standbys_) {
      if (const auto standby = one.lock()) standby->Close();
    }
    const auto deadline = std::chrono::steady_clock::now() + kTeardownLimit;
    operations_.ForEach([&](OperationHandle& handle) { handle.operation->WaitUntil(deadline); });
    servers_.ForEach([&](ServerHandle& handle) { handle.server->WaitUntil(deadline); });
    for (const auto& one : standbys_) {
      if (const auto standby = one.lock()) standby->WaitUntilClosed(deadline);
    }
  }

  std::shared_ptr<Mailbox> mailbox_;
  Pending<OperationHandle, Outcome> operations_{
      mailbox_, [this](Napi::Env env, OperationHandle* handle, Outcome* outcome) {
        return EndOperation(env, handle, outcome);
      }};
  Pending<ServerHandle, ServeOutcome> servers_{
      mailbox_, [](Napi::Env env, ServerHandle* /*handle*/, ServeOutcome* outcome) {
        return WriteServeOutcome(env, *outcome);
      }};
  Pending<Errand, Finding> errands_{mailbox_, [](Napi::Env env, Errand* /*errand*/,
                                                 Finding* finding) { return (*finding)(env); }};
  Loans loans_;
  std::vector<std::weak_ptr<Standby>> standbys_;  // those that JavaScript may still have
};

}  // namespace criu_node

namespace {
using Addon = criu_node::Addon;
NODE_API_ADDON(Addon)
}  // namespace
