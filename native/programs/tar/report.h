#pragma once

#include <string>
#include <string_view>

namespace criu_node::tar {

// What went less than well, told on standard error (CRIU's log) in GNU tar's words, and the exit
// status that it makes. CRIU takes every status but 0 for a failed dump.
//
// Owner: the program. Thread: its only one.
class Report {
 public:
  // This is worth telling, but the archive is what it should be.
  void Note(std::string_view path, std::string_view text);
  // The archive is whole, but a file changed meanwhile.
  void Differs(std::string_view path, std::string_view text);
  // Something is missing from the archive. `error_number` 0 adds no reason.
  void Failed(std::string_view path, std::string_view text, int error_number);

  [[nodiscard]] int status() const { return status_; }

 private:
  int status_ = 0;
};

}  // namespace criu_node::tar
