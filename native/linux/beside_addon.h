#pragma once

#include <string>

namespace criu_node {

// The path of a program of ours, which lies beside the addon.
std::string BesideAddon(const char* name);

}  // namespace criu_node
