// The `tar` that comes first in the PATH of our criu. CRIU dumps every tmpfs through tar, which
// starts a shell, which starts gzip: three programs a file system, most of them for an empty
// directory. This one writes the same archive by itself, and makes the same files of a small one,
// in a fraction of the time. Everything but these two ways to be called goes to the next tar in
// PATH.

#include <cerrno>
#include <span>

#include "programs/tar/create.h"
#include "programs/tar/extract.h"
#include "programs/tar/next_tar.h"
#include "programs/tar/report.h"

namespace tar = criu_node::tar;

int main(int argc, char** argv) {
  constexpr int kFailed = 2;
  const std::span<char* const> arguments(argv, static_cast<size_t>(argc));
  if (const auto status = tar::CreateIfAsked(arguments)) return *status;
  if (const auto status = tar::ExtractIfAsked(arguments)) return *status;
  tar::ExecNextTar(argv);
  tar::Report report;
  report.Failed("tar", "Cannot start the next tar in PATH", errno);
  return kFailed;
}
