#pragma once

#include <string>

namespace criu_node {

// Whether this network namespace's kernel has nf_tables, which CRIU's fast network lock needs.
bool HasNftables();

// Swaps two paths in one step, so that there is never neither. Throws Failure (stage "keep").
void Exchange(const std::string& first, const std::string& second);

}  // namespace criu_node
