#pragma once

#include <string>

namespace criu_node {

// Swaps two paths in one step, so that there is never neither. Throws Failure (stage "keep").
void Exchange(const std::string& first, const std::string& second);

}  // namespace criu_node
