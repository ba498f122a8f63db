#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>

#include "base/unique_fd.h"
#include "rollback/guard.h"

namespace criu_node {

// A cgroup whose tasks are known to be those that are meant.
struct FreezerSettings {
  UniqueFd directory;  // what it is frozen by
  std::string path;    // for messages
  // 1 (freezer.state) or 2 (cgroup.freeze).
  int version = 1;
  // The line of /proc/PID/cgroup that a process in it has.
  std::string place;
};

// Freezes a cgroup before CRIU does, because CRIU looks at it only every 100 ms, and restores the
// state it found. CRIU puts a cgroup that it was handed frozen back to frozen, so the thaw must
// come after CRIU is through with it.
//
// Owner: one Operation. Thread: its own.
class Freezer {
 public:
  // `criu` is the process that will be handed the cgroup. Throws Failure (stage "freeze") when the
  // cgroup is gone, or has criu or the guard in it: nobody would thaw it.
  Freezer(const FreezerSettings& settings, pid_t criu);
  ~Freezer() { Thaw(); }
  Freezer(const Freezer&) = delete;
  Freezer& operator=(const Freezer&) = delete;
  Freezer(Freezer&&) = delete;
  Freezer& operator=(Freezer&&) = delete;

  // Freezes the cgroup. Returns when every task is frozen, or when `limit` is over: then the cgroup
  // is thawed again and CRIU, which knows more tricks, is left to freeze it. A cgroup found frozen
  // stays as it is. Also returns, having thawed it, when `cancelled` can be read.
  bool Freeze(std::chrono::milliseconds limit, int cancelled);

  // Whether the cgroup is frozen and was not before.
  [[nodiscard]] bool froze() const { return frozen_by_us_; }

  // Undoes Freeze; nothing to do when the cgroup was found frozen or is gone.
  void Thaw() noexcept;

  // After a failure: also freezes again what was found frozen. CRIU thaws a cgroup for a moment and
  // may have died in it.
  void Restore() noexcept;

 private:
  enum class State { kThawed, kFreezing, kFrozen };
  [[nodiscard]] State Read() const;
  [[nodiscard]] bool Write(bool frozen) const;

  [[nodiscard]] bool Holds(pid_t pid) const;

  std::string path_;
  std::string place_;
  int version_;
  pid_t criu_;
  UniqueFd control_;  // what is written
  UniqueFd state_;    // what is read
  bool found_frozen_ = false;
  bool frozen_by_us_ = false;
  std::optional<Guard::Watch> watch_;  // while it may be frozen by us
};

}  // namespace criu_node
