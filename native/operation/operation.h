#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/failure.h"
#include "base/unique_fd.h"
#include "criu/channel.h"
#include "criu/criu_options.h"
#include "criu/libcriu.h"
#include "linux/fresh_directory.h"
#include "rollback/network_lock.h"
#include "serve/page_relay.h"
#include "workers/worker.h"

namespace criu_node {

enum class Verb { kCheck, kVersion, kFeatures, kDump, kPreDump, kRestore, kDumpSelf };

// Everything one operation needs, as plain data copied out of JavaScript.
struct Request {
  Verb verb = Verb::kCheck;
  std::shared_ptr<const LibCriu> library;
  WorkerSettings worker;
  WorkerExtras extras;
  std::vector<Option> options;
  std::vector<UniqueFd> held;  // what criu opens as /proc/<our pid>/fd/N until it has answered
  UniqueFd status_fd;
  std::set<std::string> asked;           // notifications that JavaScript has a say in
  std::set<std::string> told;            // those that it is only told of
  std::optional<FreshDirectory> images;  // to be made, in place of the option images_dir_fd
  std::string config;          // text of a CRIU configuration file that exists in memory only
  std::string post_dump_file;  // made empty at `post-dump`
  std::string freezer_path;
  int freezer_version = 0;
  bool goes_on = false;  // at each notification: nobody has a say in it
  size_t spares = 0;     // workers to have ready when this is over
};

// Milliseconds since the operation began; negative when it did not come to that.
struct Timeline {
  double worker_ready = -1;
  double freezing = -1;
  double frozen = -1;
  double sent = -1;
  double replied = -1;
  double thawed = -1;
  double ended = -1;
};

struct Event {
  std::string name;
  double at = 0;
  int pid = 0;  // of the root task, where CRIU tells it
};

// How an operation ended, as plain data.
struct Outcome {
  bool success = false;
  std::string stage;               // where it stood last
  std::optional<Failure> failure;  // ours; else see reply
  bool cancelled = false;          // ended by Cancel()
  bool froze = false;              // CRIU was handed a cgroup that we had frozen
  Reply reply;
  ExitStatus exit;
  std::shared_ptr<UniqueFd> images;  // that was to be made; none when it could not be
  std::string stats;                 // the content of stats-dump or stats-restore
  std::string warning;               // what went wrong after CRIU had succeeded
  std::string printed;               // criu's stdout and stderr
  std::vector<Event> events;
  Timeline timeline;
};

// One request to CRIU on two threads of its own, none of libuv's: one sits in libcriu's call, the
// other is the tap. Three phases: the Request is read on the JavaScript thread, Run() is ours, the
// Outcome is settled on the JavaScript thread.
//
// Owner: shared by the environment that started it and its own thread, which may outlive it.
class Operation : public std::enable_shared_from_this<Operation> {
 public:
  using Done = std::function<void(Outcome)>;
  // Puts a question to JavaScript, whose answer comes by Answer() with the same number; number 0 is
  // no question. False when there is nobody to ask.
  using Ask = std::function<bool(uint64_t number, const Notification& notification)>;

  explicit Operation(Request request) : request_(std::move(request)) {}

  // `done` is called on the operation's thread, once; `ask` there too, for what is asked for.
  void Start(Ask ask, Done done);

  // Any thread. Late answers are ignored.
  void Answer(uint64_t number, Verdict verdict);

  // Any thread. The operation still ends by itself; CRIU is refused its next notification, and made
  // to fail if there is none for a while.
  void Cancel() { cancel_.Set(CancelSwitch::Level::kVeto); }
  // Any thread. Has CRIU fail at once and hangs up on it; for an environment that is going away.
  void Abandon() { cancel_.Set(CancelSwitch::Level::kAbandon); }
  // Any thread. Whether the operation was over in time.
  bool WaitUntil(std::chrono::steady_clock::time_point deadline);

 private:
  void Run();
  bool MakeImages();
  void RunAlone();
  void Prepare() const;
  void RunRequest(Worker* worker);
  void ReadResults();
  [[nodiscard]] const OptionValue* Find(std::string_view option) const;
  [[nodiscard]] int64_t Number(std::string_view option, int64_t otherwise) const;
  [[nodiscard]] bool IsSet(std::string_view option) const;
  [[nodiscard]] bool EndsTasks() const;
  [[nodiscard]] bool IsDump() const {
    return request_.verb == Verb::kDump || request_.verb == Verb::kPreDump;
  }
  void Interrupt(const Worker& worker);
  [[nodiscard]] NetworkLock::Method LockMethod() const;
  void WatchNetwork(const Notification& notification);
  Verdict OnNotification(const Notification& notification, const Worker& worker);
  // NOLINTNEXTLINE(google-runtime-int): as poll() has it
  [[nodiscard]] bool WaitFor(int fd, short events, const Worker& worker) const;
  bool DoOurPart(const Notification& notification);
  bool WriteStatus();
  void StartRelay();
  [[nodiscard]] std::optional<Pair> PageServer() const;
  [[nodiscard]] std::vector<UniqueFd> Connections() const;
  Verdict AskJavaScript(const Notification& notification, const Worker& worker);
  void PointToConfig();
  void CallLibrary(criu_opts* opts) const;
  [[nodiscard]] double Now() const;
  void Enter(std::string stage) { outcome_.stage = std::move(stage); }

  Request request_;
  std::unique_ptr<Worker> worker_;
  CancelSwitch cancel_;
  int interrupts_ = 0;
  bool ended_freezing_ = false;
  bool ended_wait_ = false;
  NetworkLock network_;
  std::unique_ptr<PageRelay> relay_;  // of a lazy dump
  std::optional<CriuOptions> options_;
  std::future<void> library_;  // libcriu's call, with options_
  Outcome outcome_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();

  Ask ask_;
  uint64_t questions_ = 0;
  UniqueFd answered_;  // an eventfd, made when there are questions to be asked

  std::mutex mutex_;
  std::optional<Verdict> answer_;  // to the present question
  std::condition_variable over_;
  bool is_over_ = false;
};

}  // namespace criu_node
