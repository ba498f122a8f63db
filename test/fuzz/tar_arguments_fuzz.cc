// The arguments of a tar that criu starts: each ends with a zero byte.
#include <algorithm>
#include <string>
#include <vector>

#include "fuzz.h"
#include "programs/tar/invocation.h"
#include "tmpfs_dump.h"

namespace {

using criu_node::fuzz::Bytes;
using criu_node::fuzz::Expect;
using criu_node::fuzz::Input;
using criu_node::fuzz::kTmpfsDump;
using criu_node::fuzz::kTmpfsRestore;

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  std::vector<std::string> words;
  for (Bytes rest = input.Rest(); !rest.empty();) {
    const auto end = std::ranges::find(rest, 0);
    words.emplace_back(rest.begin(), end);
    rest = rest.subspan(std::min(words.back().size() + 1, rest.size()));
  }
  std::vector<char*> arguments;
  arguments.reserve(words.size());
  for (std::string& word : words) arguments.push_back(word.data());
  if (const char* to = criu_node::tar::DirectoryOfTmpfsRestore(arguments); to != nullptr) {
    Expect(words.size() == kTmpfsRestore.size() + 1, "there is no other argument");
    Expect(std::equal(kTmpfsRestore.begin() + 1, kTmpfsRestore.end(), words.begin() + 1),
           "it is what CRIU asks for");
    Expect(words.back() == to, "it is the directory's place");
  }
  const char* const directory = criu_node::tar::DirectoryOfTmpfsDump(arguments);
  if (directory == nullptr) return 0;
  Expect(words.size() == kTmpfsDump.size() + 2, "there is no other argument");
  Expect(std::equal(kTmpfsDump.begin() + 1, kTmpfsDump.end(), words.begin() + 1),
         "it is what CRIU asks for");
  Expect(words[kTmpfsDump.size()] == directory && words.back() == ".",
         "it is the directory's place");
  return 0;
}
