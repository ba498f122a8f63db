// The links of a container's root file system, which its tasks have made, and a path in it:
// directories and links, each a byte that says which, the number of its directory, its name, and
// its target.
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

#include "fuzz.h"
#include "linux/resolve.h"

namespace {

using criu_node::fuzz::Expect;
using criu_node::fuzz::Input;
using criu_node::fuzz::NoDescriptorIsLeft;
using criu_node::fuzz::Scratch;

constexpr size_t kMaxEntries = 20;

std::string Without(std::string text, std::string_view characters) {
  std::erase_if(text, [characters](char c) { return characters.find(c) != characters.npos; });
  return text;
}

void MakeTree(const std::string& top, Input* input) {
  std::vector<std::string> directories{top};
  for (int left = input->Byte() % kMaxEntries; left > 0 && !input->empty(); --left) {
    const bool is_link = (input->Byte() & 1U) != 0;
    const std::string parent = directories[input->Byte() % directories.size()];
    const std::string name = Without(input->Text(), std::string_view("/\0", 2)).substr(0, 255);
    if (name.empty() || name == "." || name == "..") continue;
    const std::string path = parent + '/' + name;
    if (is_link) {
      const std::string target = Without(input->Text(), std::string_view("\0", 1));
      static_cast<void>(symlink(target.c_str(), path.c_str()));
    } else if (mkdir(path.c_str(), 0700) == 0) {
      directories.push_back(path);
    }
  }
}

void ExpectInside(const std::string& path) {
  Expect(path.starts_with('/'), "a path is one from the root on");
  for (size_t at = 0; at != path.npos; at = path.find('/', at + 1)) {
    const std::string part = path.substr(at + 1, path.find('/', at + 1) - at - 1);
    Expect(part != "..", "no part leads upwards");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Scratch scratch;
  const NoDescriptorIsLeft none_is_left;
  const std::string top = scratch.path() + "/root";
  mkdir(top.c_str(), 0700);
  Input input(data, size);
  MakeTree(top, &input);
  const auto rest = input.Rest();
  const std::string path(rest.begin(), rest.end());
  const auto resolved = criu_node::ResolveInRoot(top, {path, top, "/"});
  Expect(resolved.size() == 3 && resolved[2] == "/", "each path has its answer");
  if (resolved[0]) {
    ExpectInside(*resolved[0]);
    // No link is left, so that it leads nowhere else the second time.
    const auto again = criu_node::ResolveInRoot(top, {*resolved[0]});
    Expect(again[0] == resolved[0], "it leads to itself");
  }
  std::filesystem::remove_all(top);
  return 0;
}
