#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/output_tail.h"
#include "base/unique_fd.h"
#include "criu/wire.h"

namespace criu_node {

// The version that CRIU tells of itself.
struct CriuVersion {
  int major = 0;
  int minor = 0;
  int sublevel = 0;
  std::string git_id;
  std::string name;
};

struct CriuFeatures {
  bool mem_track = false;
  bool lazy_pages = false;
  bool pidfd_store = false;
};

// CRIU's last word on a request. `received` is false when CRIU went away without one.
struct Reply {
  bool received = false;
  bool success = false;
  int cr_errno = 0;
  std::string cr_errmsg;  // CRIU's first error line; set on success as well, for a harmless one
  bool restored = false;  // a self-dump that came back to life
  int pid = 0;            // of a restored tree
  std::optional<CriuVersion> version;
  std::optional<CriuFeatures> features;
};

// What CRIU stops for until it is answered.
struct Notification {
  std::string script;
  int pid = 0;
  std::shared_ptr<UniqueFd> fd;  // what came with it, if anything: the master of a terminal
};

// What CRIU is answered.
struct Verdict {
  bool go_on = true;
  std::vector<std::string> external;  // to `query-ext-files`: more resources outside the tree

  static Verdict Veto() { return {false, {}}; }
};

// Tells a running operation to end early.
//
// Owner: one Operation. Thread: Set from any, the JavaScript thread above all; the channel reads
// it.
class CancelSwitch {
 public:
  enum class Level {
    kNone,
    kVeto,     // the next notification is refused; CRIU rolls back and answers
    kAbandon,  // we hang up, as nobody waits for the answer; CRIU rolls back by itself
  };

  CancelSwitch();
  void Set(Level level);
  [[nodiscard]] Level level() const { return level_.load(); }
  // When it was first set; only for one that is.
  [[nodiscard]] std::chrono::steady_clock::time_point since() const { return since_.load(); }
  [[nodiscard]] int fd() const { return event_.get(); }
  void Drain() const;

 private:
  std::atomic<std::chrono::steady_clock::time_point> since_{};
  std::atomic<Level> level_{Level::kNone};
  UniqueFd event_;
};

// The conversation with criu. Sends the request that libcriu has made (see MakeRequest()), answers
// every notification, and keeps what libcriu would drop of the answer.
//
// Owner: one Operation, for one request. Thread: the operation's.
class Channel {
 public:
  using Notify = std::function<Verdict(const Notification&)>;

  // `criu`, `ended` and `output` stay the worker's.
  Channel(int criu, int ended, int output, const CancelSwitch& cancel);

  // Looks after criu while it says nothing. False when there is no use in waiting for it any
  // longer.
  using Attend = std::function<bool()>;

  // `notify` is called for each notification.
  // `attend` is called every second. When the request is cancelled meanwhile it is called as soon
  // as CRIU has sent nothing that could be refused for a while, and then again and again; at once
  // when it is abandoned. With `goes_on` the answer to a notification is known beforehand, and criu
  // finds it without waiting for this thread; what `notify` says is of no interest then.
  //
  // Throws Failure when criu does not read what it is told, or says what cannot be read, or answers
  // another request than this one: such a word is none, whatever it says of success.
  Reply Run(const wire::Bytes& request, bool goes_on, const Notify& notify, const Attend& attend);

  // What criu printed so far, the last 64 KiB of it.
  [[nodiscard]] std::string TakePrinted() noexcept { return printed_.Take(); }
  void DrainOutput() noexcept { printed_.Drain(output_); }

 private:
  struct Message {
    std::span<const uint8_t> bytes;  // in buffer_, until the next one is received
    bool is_whole = true;
    UniqueFd passed;  // the descriptor that came with it
  };
  // What CRIU says is a few hundred bytes long; a socket takes no more than this of it.
  using Buffer = std::array<uint8_t, 128UL * 1024>;

  std::optional<Message> Receive();
  Reply Converse(bool goes_on, const Notify& notify, const Attend& attend);
  void Answer(const Verdict& verdict);
  [[nodiscard]] bool IsCancelled() const { return cancel_.level() != CancelSwitch::Level::kNone; }

  int criu_;
  int ended_;
  int output_;
  const CancelSwitch& cancel_;
  uint64_t type_ = 0;
  // What is received. It is made beforehand, as the last word on a dump must not be lost for want
  // of memory, and not filled with zeros, which would take longer than to send the request.
  std::unique_ptr<Buffer> buffer_;
  OutputTail printed_;
};

}  // namespace criu_node
