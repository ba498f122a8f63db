#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "criu/criu_options.h"
#include "criu/libcriu.h"
#include "linux/fresh_directory.h"
#include "operation/standby.h"
#include "rollback/freezer.h"
#include "rollback/network_lock.h"
#include "workers/worker.h"

namespace criu_node {

enum class Verb { kCheck, kVersion, kFeatures, kDump, kPreDump, kRestore, kDumpSelf };

// Everything one operation needs, as plain data copied out of JavaScript.
//
// Owner: one Operation. Thread: the operation's, from its start on.
struct Request {
  Verb verb = Verb::kCheck;
  std::shared_ptr<const LibCriu> library;
  WorkerSettings worker;
  WorkerExtras extras;
  std::vector<Option> options;
  std::vector<UniqueFd> held;  // what criu opens as /proc/<our pid>/fd/N until it has answered
  UniqueFd handed_over;        // closed here when criu has it
  UniqueFd status_fd;
  std::set<std::string> asked;           // notifications that JavaScript has a say in
  std::set<std::string> told;            // those that it is only told of
  std::optional<FreshDirectory> images;  // to be made, in place of the option images_dir_fd
  std::string config;          // text of a CRIU configuration file that exists in memory only
  std::string post_dump_file;  // made empty at `post-dump`
  std::string log;             // CRIU's log in its directory, of which the times are told
  std::optional<FreezerSettings> freezer;  // what is frozen before the request
  bool skips_needless_lock = false;        // of a network without a socket
  bool is_last = false;                    // no worker is started for one that follows
  bool goes_on = false;                    // at each notification: nobody has a say in it
  std::shared_ptr<Standby> standby;        // has the worker, and is refilled when this is over

  // The value of an option under CRIU's name; null when it is not given.
  [[nodiscard]] const OptionValue* Find(std::string_view option) const;
  [[nodiscard]] int64_t Number(std::string_view option, int64_t otherwise) const;
  [[nodiscard]] bool IsSet(std::string_view option) const;

  // The first of the processes; -1 where there is none.
  [[nodiscard]] pid_t Root() const { return static_cast<pid_t>(Number("pid", -1)); }
  // Of a process, in one step or beforehand; a dump of ourselves is another matter.
  [[nodiscard]] bool IsDump() const { return verb == Verb::kDump || verb == Verb::kPreDump; }
  // Whether the tasks are gone when CRIU has succeeded.
  [[nodiscard]] bool EndsTasks() const;
  // Whether CRIU serves the memory itself when the dump is over.
  [[nodiscard]] bool ServesPages() const;
  // The option `ps`: where the pages go, or where CRIU serves them; null without one.
  [[nodiscard]] const Endpoint* PageServer() const;
  [[nodiscard]] NetworkLock::Method LockMethod() const;
  // The options as criu is told of them: one in another pid namespace finds descriptors under other
  // numbers than we have for them.
  [[nodiscard]] std::vector<Option> OptionsForCriu() const;
  // The options of the same request, in which CRIU does not lock the network.
  [[nodiscard]] std::vector<Option> OptionsWithoutLock() const;
};

}  // namespace criu_node
