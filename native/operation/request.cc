#include "operation/request.h"

#include <algorithm>
#include <iterator>
#include <variant>

#include "criu/rpc.h"

namespace criu_node {

const OptionValue* Request::Find(std::string_view option) const {
  const auto found = std::ranges::find_if(
      options, [&](const Option& candidate) { return candidate.row->name == option; });
  return found == options.end() ? nullptr : &found->value;
}

int64_t Request::Number(std::string_view option, int64_t otherwise) const {
  const auto* value = Find(option);
  return value == nullptr ? otherwise : std::get<int64_t>(*value);
}

bool Request::IsSet(std::string_view option) const {
  const auto* value = Find(option);
  return value != nullptr && std::get<bool>(*value);
}

bool Request::EndsTasks() const {
  return verb == Verb::kDump && !IsSet("leave_running") && !IsSet("leave_stopped");
}

bool Request::ServesPages() const { return PageServer() != nullptr && IsSet("lazy_pages"); }

const Endpoint* Request::PageServer() const {
  const auto* value = Find("ps");
  return value == nullptr ? nullptr : &std::get<Endpoint>(*value);
}

NetworkLock::Method Request::LockMethod() const {
  namespace method = rpc::criu_network_lock_method;
  // CRIU takes iptables when nothing is said.
  switch (Number("network_lock", method::kIptables)) {
    case method::kIptables:
      return NetworkLock::Method::kIptables;
    case method::kNftables:
      return NetworkLock::Method::kNftables;
    default:
      return NetworkLock::Method::kNone;
  }
}

std::vector<Option> Request::OptionsForCriu() const {
  std::vector<Option> told = options;
  if (!extras.clone) return told;
  for (Option& option : told) {
    if (option.row->kind != OptionKind::kFd) continue;
    auto& fd = std::get<int64_t>(option.value);
    if (fd >= 0) fd = extras.NumberOfHeld(static_cast<int>(fd));
  }
  return told;
}

std::vector<Option> Request::OptionsWithoutLock() const {
  const OptionRow* lock = FindOption("network_lock");
  std::vector<Option> others;
  std::ranges::copy_if(options, std::back_inserter(others),
                       [lock](const Option& option) { return option.row != lock; });
  others.push_back({lock, rpc::criu_network_lock_method::kSkip});
  return others;
}

}  // namespace criu_node
