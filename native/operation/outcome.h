#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/failure.h"
#include "base/unique_fd.h"
#include "criu/channel.h"
#include "criu/dump_log.h"
#include "criu/images.h"
#include "linux/child.h"

namespace criu_node {

// Milliseconds since the operation began; negative when it did not come to that.
struct Timeline {
  double worker_ready = -1;
  double freezing = -1;
  double frozen = -1;
  double sent = -1;
  double replied = -1;
  double thawed = -1;
};

// A notification of CRIU.
struct Event {
  std::string name;
  double at = 0;        // milliseconds since the operation began
  int pid = 0;          // of the root task, where CRIU tells it
  double answered = 0;  // when CRIU was let go on, as `at`
};

// How an operation ended, as plain data.
//
// Owner: one Operation, then the JavaScript thread. Thread: that of its owner.
struct Outcome {
  bool success = false;
  std::string stage;               // where the operation stood last
  std::optional<Failure> failure;  // ours; without one see `reply`
  bool cancelled = false;          // ended by Operation::Cancel()
  bool killed = false;             // criu did not end, and was killed
  bool left = false;               // criu did not even end by that
  bool froze = false;              // CRIU was handed a cgroup that we had frozen
  bool is_complete = false;        // the images have their inventory, which CRIU writes last
  bool is_in_place = false;        // the directory that was made has still the path it was to have
  Reply reply;
  ExitStatus exit;
  std::shared_ptr<UniqueFd> images;  // that was to be made; null when it could not be
  ImagesSize size;                   // of the images that were written
  std::string stats;                 // the content of stats-dump or stats-restore
  std::optional<DumpLog> log;        // what CRIU's log tells of a dump that has succeeded
  std::string warning;               // what went wrong after CRIU had succeeded
  std::string printed;               // criu's stdout and stderr
  std::vector<Event> events;
  Timeline timeline;
};

}  // namespace criu_node
