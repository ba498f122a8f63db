#include "programs/tar/create.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <exception>

#include "base/failure.h"
#include "base/unique_fd.h"
#include "programs/tar/archiver.h"
#include "programs/tar/gzip_writer.h"
#include "programs/tar/invocation.h"
#include "programs/tar/report.h"

namespace criu_node::tar {

namespace {

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

std::optional<int> CreateIfAsked(std::span<char* const> arguments) {
  const char* directory = DirectoryOfTmpfsDump(arguments);
  // GNU tar treats terminals and /dev/null in ways of its own.
  struct stat output {};
  if (directory == nullptr || fstat(STDOUT_FILENO, &output) != 0 || S_ISCHR(output.st_mode)) {
    return std::nullopt;
  }
  return Create(directory, output);
}

}  // namespace criu_node::tar
