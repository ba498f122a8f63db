#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <string>

#include "base/failure.h"
#include "base/unique_fd.h"

namespace criu_node {

// A file of its own in memory: no path to clean up, none to guess. Others reach it by the path of
// its descriptor. Throws Failure with the given stage.
inline UniqueFd MakeMemoryFile(const char* stage, const char* name, const std::string& content) {
  UniqueFd file(memfd_create(name, MFD_CLOEXEC));
  if (!file.valid() ||
      write(file.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
    throw Failure::System(stage, std::string("cannot keep ") + name + " in memory");
  }
  return file;
}

}  // namespace criu_node
