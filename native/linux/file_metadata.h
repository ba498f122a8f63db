#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace criu_node {

// The modes of the files that paths lead to, or the number of the error, made negative. Node.js
// takes a turn for each.
std::vector<int64_t> FileModes(const std::vector<std::string>& paths);

// What Node.js has no function for. Neither follows a link at the end of the path. Both throw
// Failure (stage "archive").

// Gives a file an extended attribute. A file system that knows none of its kind goes without it.
void SetAttribute(const std::string& path, const std::string& name, const std::string& value);

// Makes a named pipe.
void MakeFifo(const std::string& path, unsigned mode);

}  // namespace criu_node
