#include "workers/worker.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <utility>
#include <vector>

#include "base/failure.h"
#include "linux/beside_addon.h"
#include "linux/mount_namespace.h"
#include "linux/spawn.h"

namespace criu_node {

namespace {

constexpr int kSocketInChild = 3;
static_assert(Worker::kFirstInherited == kSocketInChild + 1);

// Where what criu prints goes, and where it is read.
struct Output {
  UniqueFd reader;
  UniqueFd writer;

  // Throws Failure.
  Output() {
    std::array<int, 2> ends{};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw Failure::System("spawn", "cannot make a pipe");
    reader.Reset(ends[0]);
    writer.Reset(ends[1]);
    fcntl(reader.get(), F_SETFL, O_NONBLOCK);
  }
};

void Inherit(const WorkerExtras& extras, SpawnSettings* spawn) {
  for (int number = Worker::kFirstInherited; const int fd : extras.inherited) {
    spawn->descriptors.emplace_back(fd, number++);
  }
}

// It looks for no configuration file itself: CRIU_CONFIG_FILE leads to what its own files said when
// they were checked. A flag may stand behind the command.
std::vector<std::string> CommandLine(const std::string& criu) {
  return {criu, "swrk", std::to_string(kSocketInChild), "--no-default-config"};
}

}  // namespace

int WorkerExtras::NumberOfHeld(int fd) const {
  const auto& held = clone->held;
  const auto place = std::ranges::find(held, fd) - held.begin();
  return Worker::kFirstInherited + static_cast<int>(inherited.size()) + static_cast<int>(place);
}

Worker::Worker(const WorkerSettings& settings, const WorkerExtras& extras) {
  if (!settings.service.empty()) {
    Connect(settings.service);
  } else if (extras.is_detached) {
    StartDetached(settings, extras);
  } else if (extras.clone) {
    StartClone(settings, extras);
  } else {
    Start(settings, extras);
  }
}

void Worker::StartDetached(const WorkerSettings& settings, const WorkerExtras& extras) {
  SocketPair pair = MakeSocketPair("spawn");
  const std::string program = BesideAddon("criu_detach");
  std::vector<std::string> arguments = CommandLine(settings.binary);
  arguments.insert(arguments.begin(), program);
  SpawnSettings spawn{.stage = "spawn",
                      .program = program,
                      .arguments = std::move(arguments),
                      .environment = settings.environment,
                      .descriptors = {{pair.theirs.get(), kSocketInChild}}};
  Inherit(extras, &spawn);
  // It ends at once, and is waited for when this scope ends.
  const Child starter(spawn);
  socket_ = std::move(pair.ours);
}

void Worker::Connect(const std::string& service) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (service.size() >= sizeof(address.sun_path)) {
    throw Failure("spawn", ENAMETOOLONG, "cannot connect to the criu service " + service);
  }
  service.copy(std::data(address.sun_path), service.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!socket.valid() ||
      connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    throw Failure::System("spawn", "cannot connect to the criu service " + service);
  }
  // A service in another mount namespace would take its own mounts for the tree's and dump the
  // whole host's.
  ucred peer{};
  socklen_t length = sizeof(peer);
  getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &length);
  const std::string theirs = MountNamespace(std::to_string(peer.pid));
  if (theirs.empty() || theirs != MountNamespace("self")) {
    throw Failure("spawn", 0, "the criu service " + service + " is in another mount namespace");
  }
  socket_ = std::move(socket);
}

void Worker::StartClone(const WorkerSettings& settings, const WorkerExtras& extras) {
  Output output;
  clone_.emplace(*extras.clone, CommandLine(settings.binary), extras.inherited, output.writer);
  socket_ = clone_->AwaitCriu();
  output_ = std::move(output.reader);
}

void Worker::Start(const WorkerSettings& settings, const WorkerExtras& extras) {
  SocketPair pair = MakeSocketPair("spawn");
  Output output;
  SpawnSettings spawn{.stage = "spawn",
                      .program = settings.binary,
                      .arguments = CommandLine(settings.binary),
                      .environment = settings.environment,
                      .descriptors = {{output.writer.get(), STDOUT_FILENO},
                                      {output.writer.get(), STDERR_FILENO},
                                      {pair.theirs.get(), kSocketInChild}},
                      .session = extras.joins_session ? Session::kOurs : Session::kNew};
  // criu looks for the terminal of a job there.
  if (extras.joins_session && isatty(STDIN_FILENO) != 0) {
    spawn.descriptors.emplace_back(STDIN_FILENO, STDIN_FILENO);
  }
  Inherit(extras, &spawn);
  child_ = Child(spawn);
  socket_ = std::move(pair.ours);
  output_ = std::move(output.reader);
}

}  // namespace criu_node
