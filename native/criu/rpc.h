#pragma once

#include <cstdint>

// The numbers of CRIU's rpc.proto that native code uses; those of the options are rows of
// criu_options.cc. A unit test compares all of them with rpc.proto.
namespace criu_node::rpc {

// The fields of `criu_req`.
namespace criu_req {
constexpr uint32_t kType = 1;
constexpr uint32_t kOpts = 2;
constexpr uint32_t kNotifySuccess = 3;
constexpr uint32_t kFeatures = 5;
}  // namespace criu_req

// The fields of `criu_opts` that an answer to a notification may have.
namespace criu_opts {
constexpr uint32_t kImagesDirFd = 1;
constexpr uint32_t kExternal = 37;
}  // namespace criu_opts

// The fields of `criu_resp`.
namespace criu_resp {
constexpr uint32_t kType = 1;
constexpr uint32_t kSuccess = 2;
constexpr uint32_t kDump = 3;
constexpr uint32_t kRestore = 4;
constexpr uint32_t kNotify = 5;
constexpr uint32_t kCrErrno = 7;
constexpr uint32_t kFeatures = 8;
constexpr uint32_t kCrErrmsg = 9;
constexpr uint32_t kVersion = 10;
}  // namespace criu_resp

// The fields of `criu_notify`.
namespace criu_notify {
constexpr uint32_t kScript = 1;
constexpr uint32_t kPid = 2;
}  // namespace criu_notify

// The fields of `criu_version`.
namespace criu_version {
constexpr uint32_t kMajorNumber = 1;
constexpr uint32_t kMinorNumber = 2;
constexpr uint32_t kGitid = 3;
constexpr uint32_t kSublevel = 4;
constexpr uint32_t kName = 6;
}  // namespace criu_version

// The fields of `criu_features`.
namespace criu_features {
constexpr uint32_t kMemTrack = 1;
constexpr uint32_t kLazyPages = 2;
constexpr uint32_t kPidfdStore = 3;
}  // namespace criu_features

// The one field that counts in `criu_dump_resp`.
namespace criu_dump_resp {
constexpr uint32_t kRestored = 1;
}  // namespace criu_dump_resp

// The one field of `criu_restore_resp`.
namespace criu_restore_resp {
constexpr uint32_t kPid = 1;
}  // namespace criu_restore_resp

// The fields of `ext_mount_map`, `cgroup_root` and `join_namespace`, which are alike.
namespace pair {
constexpr uint32_t kKey = 1;
constexpr uint32_t kValue = 2;
}  // namespace pair

// The fields of `criu_page_server_info`.
namespace criu_page_server_info {
constexpr uint32_t kAddress = 1;
constexpr uint32_t kPort = 2;
}  // namespace criu_page_server_info

// The fields of `inherit_fd`.
namespace inherit_fd {
constexpr uint32_t kKey = 1;
constexpr uint32_t kFd = 2;
}  // namespace inherit_fd

// The constants of `criu_req_type`.
namespace criu_req_type {
constexpr uint64_t kEmpty = 0;
constexpr uint64_t kDump = 1;
constexpr uint64_t kNotify = 6;
constexpr uint64_t kFeatureCheck = 9;
}  // namespace criu_req_type

// The constants of `criu_network_lock_method`.
namespace criu_network_lock_method {
constexpr int64_t kIptables = 1;
constexpr int64_t kNftables = 2;
constexpr int64_t kSkip = 3;
}  // namespace criu_network_lock_method

}  // namespace criu_node::rpc
