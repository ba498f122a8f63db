#include "programs/tar/invocation.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

namespace criu_node::tar {

namespace {

constexpr std::string_view kAnyDirectory;

// The arguments are compared one by one and in order: another order, or one option more or less, is
// another version of CRIU, whose wishes we do not know.
constexpr std::array<std::string_view, 12> kTmpfsDump = {
    "--create",
    "--gzip",
    "--no-unquote",
    "--no-wildcards",
    "--one-file-system",
    "--check-links",
    "--preserve-permissions",
    "--sparse",
    "--numeric-owner",
    "--directory",
    kAnyDirectory,
    ".",
};

constexpr std::array<std::string_view, 6> kTmpfsRestore = {
    "--extract", "--gzip", "--no-unquote", "--no-wildcards", "--directory", kAnyDirectory,
};

// What stands in the place of the directory; nullptr unless all else is as expected.
const char* DirectoryAmong(std::span<char* const> arguments,
                           std::span<const std::string_view> expected) {
  if (arguments.size() != expected.size() + 1) return nullptr;
  // Both change what GNU tar does with the same arguments.
  // NOLINTNEXTLINE(concurrency-mt-unsafe): there is one thread
  if (getenv("TAR_OPTIONS") != nullptr || getenv("TAPE") != nullptr) return nullptr;
  const char* directory = nullptr;
  const bool same = std::ranges::equal(arguments.subspan(1), expected,
                                       [&directory](const char* argument, std::string_view one) {
                                         if (!one.empty()) return argument == one;
                                         directory = argument;
                                         return true;
                                       });
  return same ? directory : nullptr;
}

}  // namespace

const char* DirectoryOfTmpfsDump(std::span<char* const> arguments) {
  return DirectoryAmong(arguments, kTmpfsDump);
}

const char* DirectoryOfTmpfsRestore(std::span<char* const> arguments) {
  return DirectoryAmong(arguments, kTmpfsRestore);
}

}  // namespace criu_node::tar
