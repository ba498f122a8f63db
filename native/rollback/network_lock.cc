#include "rollback/network_lock.h"

#include <sys/wait.h>

#include <cerrno>
#include <exception>
#include <iterator>
#include <sstream>
#include <utility>

#include "linux/network_namespace.h"
#include "linux/nftables.h"
#include "linux/spawn.h"

namespace criu_node {

namespace {

// CRIU names its tables CRIU-<id of the run>, and older ones CRIU-<pid>.
constexpr const char* kTablePrefix = "CRIU-";
// In the place of a table's name.
constexpr const char* kUnknown = "-";

// Removes CRIU's chain, and the jumps to it, for both families. An iptables that is asked in vain
// says so to /dev/null.
constexpr const char* kRemoveChain =
    "for t in 'iptables -w 5' 'ip6tables -w 5'; do $t -nL CRIU || continue; "
    "$t -D INPUT -j CRIU; $t -D OUTPUT -j CRIU; $t -F CRIU; $t -X CRIU; done";

void RunShell(const char* script) {
  const pid_t pid = Spawn({.stage = "network",
                           .program = "/bin/sh",
                           .arguments = {"sh", "-c", script},
                           .environment = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:"
                                           "/sbin:/bin"}});
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

NetworkLock::NetworkLock(pid_t pid, Method method, pid_t criu)
    : pid_(pid), method_(method), criu_(criu) {
  Open();
  if (!nftables_.valid()) return;
  others_ = ListTables(nftables_, kTablePrefix);
  FollowTables(nftables_);
}

void NetworkLock::Open() {
  if (method_ == Method::kNone) return;
  namespace_ = OpenNetworkNamespace(pid_);
  if (!namespace_.valid() || method_ != Method::kNftables) return;
  try {
    RunInNetwork(namespace_, [this] { nftables_ = OpenNftables(); });
  } catch (const std::exception&) {
    // Without a thread nothing is removed.
  }
}

// Our own table comes first, as "-" when it is not known yet.
std::string NetworkLock::ToText() const {
  std::string text = std::to_string(pid_) + ' ' + std::to_string(static_cast<int>(method_));
  text += ' ' + (own_.empty() ? std::string(kUnknown) : own_);
  for (const auto& name : others_) text += ' ' + name;
  return text;
}

NetworkLock NetworkLock::Parse(std::string_view text) {
  std::istringstream words{std::string(text)};
  pid_t pid = -1;
  int method = 0;
  NetworkLock lock;
  if (!(words >> pid >> method >> lock.own_) || method < 0 ||
      method > static_cast<int>(Method::kNftables)) {
    return {};
  }
  if (lock.own_ == kUnknown) lock.own_.clear();
  lock.pid_ = pid;
  lock.method_ = static_cast<Method>(method);
  lock.others_ = std::set<std::string>(std::istream_iterator<std::string>(words), {});
  lock.Open();
  return lock;
}

void NetworkLock::Identify() noexcept {
  if (!nftables_.valid() || !own_.empty()) return;
  try {
    for (const auto& [name, maker] : FollowedTables(nftables_, kTablePrefix)) {
      if (maker == static_cast<uint32_t>(criu_)) own_ = name;
      // The kernel gives out negative ones where the pid is taken.
      if (static_cast<int32_t>(maker) >= 0) others_.insert(name);
    }
    if (!own_.empty()) return;
    // A single one of which it is not known who has made it is our criu's.
    auto tables = ListTables(nftables_, kTablePrefix);
    std::erase_if(tables, [this](const auto& name) { return others_.contains(name); });
    if (tables.size() == 1) own_ = *tables.begin();
  } catch (const std::exception&) {
    // There was no memory to be had.
  }
}

void NetworkLock::Remove() noexcept {
  Identify();
  try {
    if (method_ == Method::kIptables && namespace_.valid()) {
      RunInNetwork(namespace_, [] { RunShell(kRemoveChain); });
    }
    if (nftables_.valid() && !own_.empty()) DeleteTable(nftables_, own_);
  } catch (const std::exception&) {
    // There was no memory or no thread to be had.
  }
}

}  // namespace criu_node
