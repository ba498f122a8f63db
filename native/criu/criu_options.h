#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/unique_fd.h"
#include "criu/libcriu.h"
#include "criu/wire.h"

namespace criu_node {

// How the value of an option looks, in JavaScript and in the request.
enum class OptionKind {
  kBool,
  kInt,  // int32, uint32 and enums
  kFd,   // a descriptor of this process: duplicated and held until the operation is over
  kString,
  kStrings,      // repeated
  kPairs,        // repeated messages of two strings (field 1 may be absent: given as "")
  kAddress,      // a page server: where it listens
  kDescriptors,  // pairs of a name and the number of a descriptor in the criu process
};

// One field of CRIU's `criu_opts` message under CRIU's own name.
struct OptionRow {
  std::string_view name;
  uint32_t field;
  OptionKind kind;
  // libcriu's setter, or null where libcriu has none, or none that works: then, and when the
  // libcriu at hand is too old to have it, the field is added behind the request.
  const char* setter;
};

// Every option there is; lib/options/table.ts refers to these names.
std::span<const OptionRow> OptionRows();
const OptionRow* FindOption(std::string_view name);

using Pair = std::pair<std::string, std::string>;
// An IP address, or the name of a host, and a port.
struct Endpoint {
  std::string address;
  uint16_t port = 0;
};
// A descriptor of the criu process, and the name under which the images know it.
struct Inherited {
  std::string key;
  int fd;
};
using OptionValue = std::variant<bool, int64_t, std::string, std::vector<std::string>,
                                 std::vector<Pair>, Endpoint, std::vector<Inherited>>;

struct Option {
  const OptionRow* row;
  OptionValue value;
};

// The options of one request: libcriu's opaque struct, and the bytes of what libcriu cannot set.
//
// Owner: a scope of one Operation. Thread: its own.
class CriuOptions {
 public:
  // Throws Failure (stage "request"). With `notifies`, CRIU stops for notifications; the
  // channel answers every one, libcriu never sees them.
  CriuOptions(std::shared_ptr<const LibCriu> library, std::span<const Option> options,
              bool notifies);

  [[nodiscard]] criu_opts* get() const { return opts_.get(); }

  // Fields of `criu_opts` to append to the request; empty when libcriu has set them all.
  [[nodiscard]] const wire::Bytes& extra() const { return extra_; }

 private:
  void Set(const Option& option);
  void SetByWire(const Option& option);
  bool SetByLibrary(const Option& option);

  std::shared_ptr<const LibCriu> library_;
  std::unique_ptr<criu_opts, void (*)(criu_opts*)> opts_;
  wire::Bytes extra_;
};

}  // namespace criu_node
