// Archives the files of a container while it stands still. It is started before that, and waits: on
// standard input for a byte, without which it ends and has done nothing. The archive goes to
// standard output, what cannot be archived to standard error.
//
//   criu_layer tree              all that is in the directory 3
//   criu_layer layer N PREFIX    what the overlay whose upper directory is 3 has that its lower
//   ones
//                                have not: its mount is 4, and 6 and on are the N lower ones. The
//                                paths that it has not any more go to 5, each with a NUL behind it.
//                                PREFIX is what the names of the overlay's own attributes begin
//                                with: `trusted.overlay.`, or `user.overlay.` if it was mounted so.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/failure.h"
#include "base/unique_fd.h"
#include "programs/layer/layer_archiver.h"
#include "programs/tar/report.h"
#include "programs/tar/writer.h"

namespace {

using criu_node::Failure;
using criu_node::UniqueFd;
using criu_node::layer::LayerArchiver;
using criu_node::layer::Overlay;
using criu_node::layer::TreeArchiver;
using criu_node::tar::PlainWriter;
using criu_node::tar::Report;

constexpr int kDirectory = 3;
constexpr int kMerged = 4;
constexpr int kRemoved = 5;
constexpr int kLower = 6;
constexpr int kMaxLower = 1000;
constexpr int kUsage = 64;

bool MayBegin() {
  char byte = 0;
  ssize_t length = 0;
  do {
    length = read(STDIN_FILENO, &byte, 1);
  } while (length < 0 && errno == EINTR);
  return length == 1;
}

void ArchiveTree(Report* report, const struct stat& output) {
  PlainWriter archive(STDOUT_FILENO);
  TreeArchiver(&archive, report, output).Archive(UniqueFd(kDirectory));
  archive.Finish();
}

void ArchiveLayer(Report* report, const struct stat& output, int lower, std::string prefix) {
  PlainWriter archive(STDOUT_FILENO);
  PlainWriter removed(kRemoved);
  Overlay overlay{.merged = UniqueFd(kMerged), .lower = {}, .own_attributes = std::move(prefix)};
  for (int i = 0; i < lower; ++i) overlay.lower.emplace_back(kLower + i);
  LayerArchiver(&archive, report, output, std::move(overlay), &removed)
      .Archive(UniqueFd(kDirectory));
  archive.Finish();
  removed.Finish();
}

// The number of lower directories; 0 for a tree, and less for what cannot be understood.
int LowerOf(std::span<char* const> arguments) {
  if (arguments.size() == 2 && std::string_view(arguments[1]) == "tree") return 0;
  if (arguments.size() != 4 || std::string_view(arguments[1]) != "layer") return -1;
  const std::string_view prefix(arguments[3]);
  if (prefix != "trusted.overlay." && prefix != "user.overlay.") return -1;
  const std::string_view text(arguments[2]);
  int lower = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), lower);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  return is_number && lower > 0 && lower <= kMaxLower ? lower : -1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char* const> arguments(argv, static_cast<size_t>(argc));
  const int lower = LowerOf(arguments);
  if (lower < 0) return kUsage;
  Report report;
  try {
    if (!MayBegin()) return 0;
    struct stat output {};
    if (fstat(STDOUT_FILENO, &output) != 0) throw Failure::System("write", "Cannot stat");
    if (lower == 0) {
      ArchiveTree(&report, output);
    } else {
      ArchiveLayer(&report, output, lower, arguments[3]);
    }
  } catch (const Failure& failure) {
    report.Failed("archive", failure.message(), failure.error_number());
  } catch (const std::exception& exception) {
    report.Failed("archive", exception.what(), 0);
  }
  return report.status();
}
