#pragma once

#include <string_view>

// CRIU's names for its notifications, of those that native code looks at. lib/criu/hooks.ts has the
// names of all of them.
namespace criu_node::scripts {

constexpr std::string_view kPreDump = "pre-dump";
// The tasks are frozen.
constexpr std::string_view kQueryExtFiles = "query-ext-files";
constexpr std::string_view kNetworkLock = "network-lock";
// CRIU listens, or is connected, to serve the memory of a lazy dump.
constexpr std::string_view kStatusReady = "status-ready";
// The images are complete, and the tasks are still frozen.
constexpr std::string_view kPostDump = "post-dump";
constexpr std::string_view kNetworkUnlock = "network-unlock";

}  // namespace criu_node::scripts
