#include "criu/criu_options.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/failure.h"
#include "criu/rpc.h"

namespace criu_node {

namespace {

// The oldest compiler that we build with has no `using enum`.
constexpr auto kBool = OptionKind::kBool;
constexpr auto kInt = OptionKind::kInt;
constexpr auto kFd = OptionKind::kFd;
constexpr auto kString = OptionKind::kString;
constexpr auto kStrings = OptionKind::kStrings;
constexpr auto kPairs = OptionKind::kPairs;
constexpr auto kAddress = OptionKind::kAddress;
constexpr auto kDescriptors = OptionKind::kDescriptors;

// Setters that are missing on purpose: `criu_local_set_timeout` never marks the field as present,
// that of inherit_fd refuses a criu that libcriu has not started; `criu_local_free_opts` does not
// free what those of join_ns, config_file and cgroup_yard have copied; and libcriu 4.2 has none for
// rst_sibling, lazy_pages, leave_stopped and tls*.
constexpr auto kRows = std::to_array<OptionRow>({
    {"images_dir_fd", 1, kFd, "criu_local_set_images_dir_fd"},
    {"pid", 2, kInt, "criu_local_set_pid"},
    {"leave_running", 3, kBool, "criu_local_set_leave_running"},
    {"ext_unix_sk", 4, kBool, "criu_local_set_ext_unix_sk"},
    {"tcp_established", 5, kBool, "criu_local_set_tcp_established"},
    {"evasive_devices", 6, kBool, "criu_local_set_evasive_devices"},
    {"shell_job", 7, kBool, "criu_local_set_shell_job"},
    {"file_locks", 8, kBool, "criu_local_set_file_locks"},
    {"log_level", 9, kInt, "criu_local_set_log_level"},
    {"log_file", 10, kString, "criu_local_set_log_file"},
    {"ps", 11, kAddress, "criu_local_set_page_server_address_port"},
    {"root", 13, kString, "criu_local_set_root"},
    {"parent_img", 14, kString, "criu_local_set_parent_images"},
    {"track_mem", 15, kBool, "criu_local_set_track_mem"},
    {"auto_dedup", 16, kBool, "criu_local_set_auto_dedup"},
    {"work_dir_fd", 17, kFd, "criu_local_set_work_dir_fd"},
    {"link_remap", 18, kBool, "criu_local_set_link_remap"},
    {"force_irmap", 21, kBool, "criu_local_set_force_irmap"},
    {"ext_mnt", 23, kPairs, "criu_local_add_ext_mount"},
    {"manage_cgroups", 24, kBool, "criu_local_set_manage_cgroups"},
    {"cg_root", 25, kPairs, "criu_local_add_cg_root"},
    {"rst_sibling", 26, kBool, nullptr},
    {"inherit_fd", 27, kDescriptors, nullptr},
    {"auto_ext_mnt", 28, kBool, "criu_local_set_auto_ext_mnt"},
    {"ext_sharing", 29, kBool, "criu_local_set_ext_sharing"},
    {"ext_masters", 30, kBool, "criu_local_set_ext_masters"},
    {"skip_mnt", 31, kStrings, "criu_local_add_skip_mnt"},
    {"enable_fs", 32, kStrings, "criu_local_add_enable_fs"},
    {"manage_cgroups_mode", 34, kInt, "criu_local_set_manage_cgroups_mode"},
    {"ghost_limit", 35, kInt, "criu_local_set_ghost_limit"},
    {"irmap_scan_paths", 36, kStrings, "criu_local_add_irmap_path"},
    {"external", 37, kStrings, "criu_local_add_external"},
    {"empty_ns", 38, kInt, "criu_local_set_empty_ns"},
    {"join_ns", 39, kPairs, nullptr},
    {"freeze_cgroup", 44, kString, "criu_local_set_freeze_cgroup"},
    {"timeout", 45, kInt, nullptr},
    {"tcp_skip_in_flight", 46, kBool, "criu_local_set_tcp_skip_in_flight"},
    {"weak_sysctls", 47, kBool, "criu_local_set_weak_sysctls"},
    {"lazy_pages", 48, kBool, nullptr},
    {"orphan_pts_master", 50, kBool, "criu_local_set_orphan_pts_master"},
    {"config_file", 51, kString, nullptr},
    {"tcp_close", 52, kBool, "criu_local_set_tcp_close"},
    {"lsm_profile", 53, kString, "criu_local_set_lsm_profile"},
    {"tls_cacert", 54, kString, nullptr},
    {"tls_cacrl", 55, kString, nullptr},
    {"tls_cert", 56, kString, nullptr},
    {"tls_key", 57, kString, nullptr},
    {"tls", 58, kBool, nullptr},
    {"tls_no_cn_verify", 59, kBool, nullptr},
    {"cgroup_yard", 60, kString, nullptr},
    {"pre_dump_mode", 61, kInt, "criu_local_set_pre_dump_mode"},
    {"lsm_mount_context", 63, kString, "criu_local_set_lsm_mount_context"},
    {"network_lock", 64, kInt, "criu_local_set_network_lock"},
    {"mntns_compat_mode", 65, kBool, "criu_local_set_mntns_compat_mode"},
    {"skip_file_rwx_check", 66, kBool, "criu_local_set_skip_file_rwx_check"},
    {"images_dir", 68, kString, nullptr},
    {"leave_stopped", 69, kBool, nullptr},
});

// Throws for an option that libcriu has refused. libcriu's setters are `void` or `int`; calling a
// void one through an int type yields garbage, so the ones that can fail are the ones that copy
// strings, and those all return int.
void Check(int result, const OptionRow& row) {
  if (result < 0) {
    throw Failure("request", -result, std::string("libcriu refused ") + std::string(row.name));
  }
}

// Never called: the channel answers every notification.
int NoNotification(char* /*action*/, void* /*argument*/) { return 0; }

}  // namespace

std::span<const OptionRow> OptionRows() { return kRows; }

const OptionRow* FindOption(std::string_view name) {
  const auto* row = std::ranges::find(kRows, name, &OptionRow::name);
  return row == kRows.end() ? nullptr : row;
}

CriuOptions::CriuOptions(std::shared_ptr<const LibCriu> library, std::span<const Option> options,
                         bool notifies)
    : library_(std::move(library)), opts_(nullptr, library_->free_opts) {
  criu_opts* opts = nullptr;  // init_opts frees what it finds here
  if (library_->init_opts(&opts) != 0) throw Failure("request", ENOMEM, "out of memory");
  opts_.reset(opts);
  if (notifies) library_->set_notify_cb(opts, NoNotification);
  for (const Option& option : options) Set(option);
  if (extra_.empty()) return;
  // Every `criu_opts` must have this field, so that what is appended to the request needs it, too.
  for (const Option& option : options) {
    if (option.row->name == "images_dir_fd") SetByWire(option);
  }
}

void CriuOptions::Set(const Option& option) {
  if (!SetByLibrary(option)) SetByWire(option);
}

bool CriuOptions::SetByLibrary(const Option& option) {
  const OptionRow& row = *option.row;
  if (row.setter == nullptr) return false;
  void* setter = library_->Find(row.setter);
  if (setter == nullptr) return false;
  criu_opts* opts = opts_.get();
  switch (row.kind) {
    case kBool:
      reinterpret_cast<void (*)(criu_opts*, bool)>(setter)(opts, std::get<bool>(option.value));
      break;
    case kInt:
    case kFd:
      reinterpret_cast<void (*)(criu_opts*, int)>(setter)(
          opts, static_cast<int>(std::get<int64_t>(option.value)));
      break;
    case kString:
      Check(reinterpret_cast<int (*)(criu_opts*, const char*)>(setter)(
                opts, std::get<std::string>(option.value).c_str()),
            row);
      break;
    case kStrings:
      for (const auto& text : std::get<std::vector<std::string>>(option.value)) {
        Check(reinterpret_cast<int (*)(criu_opts*, const char*)>(setter)(opts, text.c_str()), row);
      }
      break;
    case kPairs:
      for (const auto& [key, value] : std::get<std::vector<Pair>>(option.value)) {
        Check(reinterpret_cast<int (*)(criu_opts*, const char*, const char*)>(setter)(
                  opts, key.empty() ? nullptr : key.c_str(), value.c_str()),
              row);
      }
      break;
    case kAddress: {
      const auto& [address, port] = std::get<Endpoint>(option.value);
      // The result is of no use: up to 4.2 it is -ENOMEM when the setter has succeeded.
      reinterpret_cast<int (*)(criu_opts*, const char*, int)>(setter)(opts, address.c_str(), port);
      break;
    }
    case kDescriptors:
      return false;
  }
  return true;
}

void CriuOptions::SetByWire(const Option& option) {
  const OptionRow& row = *option.row;
  switch (row.kind) {
    case kBool:
      wire::AppendInt(&extra_, row.field, std::get<bool>(option.value) ? 1 : 0);
      break;
    case kInt:
    case kFd:
      wire::AppendInt(&extra_, row.field, std::get<int64_t>(option.value));
      break;
    case kString:
      wire::AppendString(&extra_, row.field, std::get<std::string>(option.value));
      break;
    case kStrings:
      for (const auto& text : std::get<std::vector<std::string>>(option.value)) {
        wire::AppendString(&extra_, row.field, text);
      }
      break;
    case kPairs:
      for (const auto& [key, value] : std::get<std::vector<Pair>>(option.value)) {
        wire::Bytes pair;
        if (!key.empty()) wire::AppendString(&pair, rpc::pair::kKey, key);
        wire::AppendString(&pair, rpc::pair::kValue, value);
        wire::AppendBytes(&extra_, row.field, pair);
      }
      break;
    case kAddress: {
      const auto& [address, port] = std::get<Endpoint>(option.value);
      wire::Bytes info;
      wire::AppendString(&info, rpc::criu_page_server_info::kAddress, address);
      wire::AppendInt(&info, rpc::criu_page_server_info::kPort, port);
      wire::AppendBytes(&extra_, row.field, info);
      break;
    }
    case kDescriptors:
      for (const auto& [key, fd] : std::get<std::vector<Inherited>>(option.value)) {
        wire::Bytes inherited;
        wire::AppendString(&inherited, rpc::inherit_fd::kKey, key);
        wire::AppendInt(&inherited, rpc::inherit_fd::kFd, fd);
        wire::AppendBytes(&extra_, row.field, inherited);
      }
      break;
  }
}

}  // namespace criu_node
