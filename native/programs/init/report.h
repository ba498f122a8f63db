#pragma once

#include "base/unique_fd.h"
#include "programs/init/fault.h"

namespace criu_node::init {

// The way back to who has started us, a socket for packets. native/workers/clone.cc reads them:
//   S                 criu runs; comes with the socket to it
//   E<errno> <text>   why it does not
//   X<status>         the first of the restored processes has ended, as wait() tells it
// None of these waits, and none fails: nobody may be there any more.
class Report {
 public:
  explicit Report(UniqueFd socket) : socket_(static_cast<UniqueFd&&>(socket)) {}

  void Started(const UniqueFd& criu) const;
  void Failed(const Fault& fault) const;
  void Ended(int status) const;

  [[nodiscard]] int fd() const { return socket_.get(); }

 private:
  UniqueFd socket_;
};

}  // namespace criu_node::init
