// The first process of the pid namespace in which a clone is restored: it starts criu there, and is
// the parent of what criu restores. It reaps all that loses its parent, passes on signals to the
// first of the restored processes, and ends with that, by which the kernel ends whatever is left.
// See native/workers/clone.h for the other side.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/unique_fd.h"
#include "programs/init/criu.h"
#include "programs/init/namespaces.h"
#include "programs/init/report.h"
#include "programs/init/settings.h"
#include "programs/init/watch.h"

namespace {

using criu_node::UniqueFd;
using criu_node::init::Criu;
using criu_node::init::Fault;
using criu_node::init::Report;
using criu_node::init::Settings;

constexpr int kUsage = 64;

// Nothing that is printed reaches anybody once criu has ended.
void CloseOutput() {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): open() is what there is
  const UniqueFd null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.valid()) return;
  dup2(null.get(), STDOUT_FILENO);
  dup2(null.get(), STDERR_FILENO);
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  // A process with another pid would do to the machine what is meant for the namespace.
  if (!criu_node::init::Parse(argc, argv, &settings) || getpid() != 1) return kUsage;
  // Out of the way of what criu inherits.
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): fcntl() is what there is
  UniqueFd socket(fcntl(Settings::kSocket, F_DUPFD_CLOEXEC, settings.End()));
  if (!socket.valid()) return 1;
  close(Settings::kSocket);
  const Report report(std::move(socket));
  const UniqueFd signals = criu_node::init::TakeSignals();
  for (const auto enter : {criu_node::init::EnterCgroups, criu_node::init::EnterNamespaces}) {
    if (const Fault fault = enter(settings)) {
      report.Failed(fault);
      return 1;
    }
  }
  Criu criu = criu_node::init::StartCriu(settings);
  if (criu.pid < 0) {
    report.Failed({.what = "cannot start criu", .error = errno});
    return 1;
  }
  CloseOutput();
  report.Started(criu.socket);
  criu.socket.Reset();
  criu_node::init::Watch(settings, criu.pid, signals, report);
  return 0;
}
