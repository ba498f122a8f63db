#pragma once

#include <sys/types.h>

#include <set>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace criu_node {

// The rules by which CRIU keeps packets from a tree while it dumps it. CRIU removes them itself,
// but not when it is killed, nor when a lazy dump fails while it serves pages: then they would cut
// off for ever what goes on running.
//
// Owner: one Operation, or the guard. Thread: its own.
class NetworkLock {
 public:
  enum class Method { kNone, kIptables, kNftables };

  NetworkLock() = default;
  // For the tree of `pid`, to be made before `criu` has made any rules: tables of nf_tables that
  // are there already are those of another criu.
  NetworkLock(pid_t pid, Method method, pid_t criu);

  // Finds out which table is that of our criu, now that it has made one.
  void Identify() noexcept;

  // Writes the lock down for another process, where Parse() gives the same.
  [[nodiscard]] std::string ToText() const;
  static NetworkLock Parse(std::string_view text);

  // Removes what our criu has left: with nf_tables nothing when it cannot be told from what belongs
  // to another criu, which may lock the network for its own dump. Nothing to do is no error. Never
  // throws.
  void Remove() noexcept;

 private:
  void Open();

  pid_t pid_ = -1;
  Method method_ = Method::kNone;
  UniqueFd namespace_;
  UniqueFd nftables_;
  pid_t criu_ = -1;
  std::set<std::string> others_;  // tables that were there before
  std::string own_;               // the table of our criu, once it is known
};

}  // namespace criu_node
