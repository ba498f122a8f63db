#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/unique_fd.h"
#include "fuzz.h"
#include "programs/tar/extractor.h"
#include "programs/tar/members.h"

// What the programs share that compare with GNU tar.
namespace criu_node::fuzz {

// Runs it, and gives its exit status.
inline int RunGnuTar(std::vector<std::string> words, int input, int output) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (input >= 0) posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  if (output >= 0) posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  std::array<char*, 1> environment = {nullptr};
  pid_t pid = -1;
  const int error =
      posix_spawn(&pid, "/bin/tar", &actions, nullptr, arguments.data(), environment.data());
  posix_spawn_file_actions_destroy(&actions);
  Expect(error == 0, "there is a GNU tar");
  int status = -1;
  // libFuzzer has a clock that interrupts.
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

// All that an archive keeps of a tree, by path.
inline std::map<std::string, std::string> DescribedTree(const std::string& top) {
  std::map<std::string, std::string> described;
  std::map<ino_t, std::string> first_names;
  std::vector<std::string> directories{""};
  const auto describe = [&](const std::string& name) {
    struct stat status {};
    const std::string path = top + name;
    Expect(lstat(path.c_str(), &status) == 0, "a file of a tree is there");
    std::string& text = described[name];
    for (const auto number :
         {int64_t{status.st_mode}, int64_t{status.st_uid}, int64_t{status.st_gid},
          int64_t{status.st_mtim.tv_sec}, static_cast<int64_t>(status.st_rdev)}) {
      text += std::to_string(number) + ' ';
    }
    if (S_ISDIR(status.st_mode)) return directories.push_back(name);
    text += std::to_string(status.st_size) + ' ' + std::to_string(status.st_nlink);
    // The tree is walked in the order of names.
    text += " = " + first_names.try_emplace(status.st_ino, name).first->second + ' ';
    if (S_ISLNK(status.st_mode)) text += std::filesystem::read_symlink(path);
    if (!S_ISREG(status.st_mode)) return;
    const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string content(static_cast<size_t>(status.st_size), '\0');
    Expect(pread(file.get(), content.data(), content.size(), 0) == status.st_size,
           "a file can be read");
    text += content;
  };
  directories.clear();
  describe("");
  while (!directories.empty()) {
    const std::string directory = std::move(directories.back());
    directories.pop_back();
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(top + directory)) {
      names.push_back(directory + '/' + entry.path().filename().string());
    }
    std::ranges::sort(names);
    for (const std::string& name : names) describe(name);
  }
  return described;
}

// Whether an archive is one that we extract ourselves; what is then made of it has to be what GNU
// tar makes of it. Only root can give files to others.
inline bool IsExtractedAsByGnuTar(std::string_view archive, const std::string& scratch) {
  const auto members = tar::PlainMembers(archive);
  if (!members.has_value() || geteuid() != 0) return false;
  const std::string ours = scratch + "/ours";
  const std::string theirs = scratch + "/theirs";
  for (const std::string& path : {ours, theirs}) mkdir(path.c_str(), 0700);
  {
    tar::Extractor extractor(UniqueFd(open(ours.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
    Expect(extractor.IsEmpty(), "a new directory is empty");
    Expect(extractor.Extract(*members), "all of it can be made");
    Expect(members->empty() || !extractor.IsEmpty() || members->size() == 1, "it is made there");
  }
  const UniqueFd input(memfd_create("archive", MFD_CLOEXEC));
  Expect(pwrite(input.get(), archive.data(), archive.size(), 0) ==
             static_cast<ssize_t>(archive.size()),
         "an archive can be written");
  Expect(RunGnuTar({"tar", "--extract", "--no-unquote", "--no-wildcards", "--directory", theirs},
                   input.get(), -1) == 0,
         "GNU tar extracts it too");
  auto [described, expected] = std::pair(DescribedTree(ours), DescribedTree(theirs));
  // Without an entry of its own the time of the directory is that of the test.
  if (members->empty()) described = expected = {};
  Expect(described == expected, "it is what GNU tar makes");
  std::filesystem::remove_all(ours);
  std::filesystem::remove_all(theirs);
  return true;
}

}  // namespace criu_node::fuzz
