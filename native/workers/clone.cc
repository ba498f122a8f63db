#include "workers/clone.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string_view>
#include <utility>

#include "base/failure.h"
#include "base/passed_descriptor.h"
#include "base/words.h"
#include "linux/beside_addon.h"

namespace criu_node {

namespace {

constexpr const char* kStage = "spawn";
constexpr int kSocketInChild = 3;
constexpr int kFirstInherited = kSocketInChild + 1;

// How long it may take to make the namespaces. The kernel makes a network namespace while it holds
// a lock that others want as well.
constexpr std::chrono::milliseconds kStartLimit{10'000};
// How long the rest of the processes may take to die with the namespace.
constexpr std::chrono::seconds kEndLimit{5};

struct Message {
  std::string text;  // empty when nobody is there any more
  UniqueFd passed;
};

// Waits for a message; -1 is for ever.
Message Receive(const UniqueFd& socket, int limit_ms) {
  pollfd fd{socket.get(), POLLIN, 0};
  int ready = 0;
  do {
    ready = poll(&fd, 1, limit_ms);
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) throw Failure(kStage, ETIMEDOUT, "cannot make the namespaces");
  std::array<char, 256> buffer{};
  Message message;
  const ssize_t length =
      ReceiveWithDescriptor(socket.get(), buffer.data(), buffer.size(), &message.passed);
  if (length > 0) message.text.assign(buffer.data(), static_cast<size_t>(length));
  return message;
}

std::vector<std::string> CommandLine(const std::string& program, const CloneSettings& settings,
                                     size_t inherited) {
  std::vector<std::string> words{program};
  words.push_back("root=" + std::to_string(settings.root));
  words.push_back("descriptors=" + std::to_string(inherited + settings.held.size()));
  words.push_back("inherited=" + std::to_string(inherited));
  if (settings.pid_before > 0) words.push_back("before=" + std::to_string(settings.pid_before));
  if (!settings.hostname.empty()) words.push_back("hostname=" + settings.hostname);
  if (settings.has_new_network) words.emplace_back("network=0");
  const auto number_of = [&](int fd) {
    const auto place = std::ranges::find(settings.held, fd) - settings.held.begin();
    return std::to_string(kFirstInherited + inherited + static_cast<size_t>(place));
  };
  if (settings.network >= 0) words.push_back("network=" + number_of(settings.network));
  for (const int cgroup : settings.cgroups) words.push_back("cgroup=" + number_of(cgroup));
  if (settings.ends_with_parent) words.emplace_back("ends_with_parent=1");
  return words;
}

ExitStatus FromWait(int status) {
  ExitStatus ended;
  if (WIFEXITED(status)) ended.code = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
  return ended;
}

}  // namespace

Clone::Clone(const CloneSettings& settings, const std::vector<std::string>& criu,
             const std::vector<int>& inherited, const UniqueFd& output) {
  SocketPair pair = MakeSocketPair(kStage);
  const std::string program = BesideAddon("criu_init");
  std::vector<std::string> arguments = CommandLine(program, settings, inherited.size());
  arguments.emplace_back("--");
  arguments.insert(arguments.end(), criu.begin(), criu.end());
  SpawnSettings spawn{.stage = kStage,
                      .program = program,
                      .arguments = std::move(arguments),
                      .environment = settings.environment,
                      .descriptors = {{output.get(), STDOUT_FILENO},
                                      {output.get(), STDERR_FILENO},
                                      {pair.theirs.get(), kSocketInChild}},
                      .makes_pid_namespace = true};
  int number = kFirstInherited;
  for (const auto* group : {&inherited, &settings.held}) {
    for (const int fd : *group) spawn.descriptors.emplace_back(fd, number++);
  }
  init_ = Child(spawn);
  socket_ = std::move(pair.ours);
}

UniqueFd Clone::AwaitCriu() const {
  Message message = Receive(socket_, static_cast<int>(kStartLimit.count()));
  if (message.passed.valid()) return std::move(message.passed);
  std::string_view text(message.text);
  if (!text.starts_with('E')) throw Failure(kStage, 0, "criu_init has ended too early");
  text.remove_prefix(1);
  const int error = words::Number<int>(words::Take(&text)).value_or(0);
  text.remove_prefix(std::min<size_t>(1, text.size()));
  throw Failure(kStage, error, std::string(text));
}

ExitStatus Clone::WaitForEnd() noexcept {
  std::optional<ExitStatus> told;
  static_cast<void>(Attempt(kStage, [&] {
    const Message message = Receive(socket_, -1);
    std::string_view text(message.text);
    if (!text.starts_with('X')) return;
    text.remove_prefix(1);
    if (const auto status = words::Number<int>(text)) told = FromWait(*status);
  }));
  // Without a word its own end is the only one to tell of.
  if (told && !init_.HasEnded(std::chrono::steady_clock::now() + kEndLimit)) {
    init_.Leave();
    return *told;
  }
  const ExitStatus own = init_.Reap();
  return told.value_or(own);
}

}  // namespace criu_node
