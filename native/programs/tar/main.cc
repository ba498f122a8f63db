// The `tar` that comes first in the PATH of our criu. CRIU dumps every tmpfs through tar, which
// starts a shell, which starts gzip: three programs a file system, most of them for an empty
// directory. This one writes the same archive by itself and in a fraction of the time. Everything
// but that one way to be called, such as the extraction of a restore, goes to the next tar in PATH.

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <span>

#include "base/failure.h"
#include "base/unique_fd.h"
#include "programs/tar/archiver.h"
#include "programs/tar/gzip_writer.h"
#include "programs/tar/invocation.h"
#include "programs/tar/next_tar.h"
#include "programs/tar/report.h"

namespace {

using criu_node::Failure;
using criu_node::UniqueFd;
using criu_node::tar::Archiver;
using criu_node::tar::DirectoryOfTmpfsDump;
using criu_node::tar::ExecNextTar;
using criu_node::tar::GzipWriter;
using criu_node::tar::Report;

constexpr int kFailed = 2;

int Create(const char* directory, const struct stat& output) {
  Report report;
  try {
    UniqueFd top(open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!top.valid()) throw Failure::System("open", "Cannot open");
    GzipWriter archive(STDOUT_FILENO);
    Archiver(&archive, &report, output).Archive(std::move(top));
    archive.Finish();
  } catch (const Failure& failure) {
    report.Failed(directory, failure.message(), failure.error_number());
  } catch (const std::exception& exception) {
    report.Failed(directory, exception.what(), 0);
  }
  return report.status();
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char* const> arguments(argv, static_cast<size_t>(argc));
  const char* directory = DirectoryOfTmpfsDump(arguments);
  // GNU tar treats terminals and /dev/null in ways of its own.
  struct stat output {};
  if (directory != nullptr && fstat(STDOUT_FILENO, &output) == 0 && !S_ISCHR(output.st_mode)) {
    return Create(directory, output);
  }
  ExecNextTar(argv);
  Report report;
  report.Failed("tar", "Cannot start the next tar in PATH", errno);
  return kFailed;
}
