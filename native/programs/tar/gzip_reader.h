#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace criu_node::tar {

// What a gzip file holds, if that is at most `most` bytes and nothing follows its end; nullopt
// otherwise, and where it is compressed and there is no zlib.
std::optional<std::string> Unpacked(std::string_view file, size_t most);

}  // namespace criu_node::tar
