#include "rollback/freezer.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "base/failure.h"
#include "linux/proc_file.h"
#include "linux/proc_text.h"

namespace criu_node {

namespace {

using std::chrono::steady_clock;

constexpr std::chrono::microseconds kPoll{50};
// When the state is written again: a v1 freezer can hang in FREEZING (a task that waits for one
// already frozen), and that gets it going.
constexpr std::chrono::milliseconds kRetry{20};

// A link or a pipe is no control file: the one is not followed, the other does not block.
constexpr int kControlFlags = O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;

UniqueFd Open(const FreezerSettings& settings, const char* name, int flags) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): openat() is what there is
  UniqueFd fd(openat(settings.directory.get(), name, flags | kControlFlags));
  if (!fd.valid()) throw Failure::System("freeze", "cannot open " + settings.path + "/" + name);
  return fd;
}

}  // namespace

// The caller has the lock of the cgroup: without it another operation, of whichever process, would
// take our frozen state for the one it found. That lock is no lock of these files, which a
// container can open and lock as well.
Freezer::Freezer(const FreezerSettings& settings, pid_t criu)
    : path_(settings.path),
      place_(settings.place),
      version_(settings.version),
      criu_(criu),
      control_(Open(settings, version_ == 1 ? "freezer.state" : "cgroup.freeze", O_WRONLY)),
      state_(Open(settings, version_ == 1 ? "freezer.state" : "cgroup.events", O_RDONLY)) {
  if (Holds(criu_)) throw Failure("freeze", EBUSY, "criu is in the cgroup " + path_ + " itself");
}

// Whether a process is in the cgroup or below it.
bool Freezer::Holds(pid_t pid) const {
  return pid > 0 && proc_text::IsInCgroup(ReadProcFile(pid, "cgroup"), place_);
}

Freezer::State Freezer::Read() const {
  std::array<char, 256> buffer{};
  const ssize_t length = pread(state_.get(), buffer.data(), buffer.size(), 0);
  if (length <= 0) return State::kThawed;
  const std::string_view text(buffer.data(), static_cast<size_t>(length));
  if (version_ == 2) {
    return text.find("frozen 1") != text.npos ? State::kFrozen : State::kThawed;
  }
  if (text.starts_with("FROZEN")) return State::kFrozen;
  return text.starts_with("FREEZING") ? State::kFreezing : State::kThawed;
}

bool Freezer::Write(bool frozen) const {
  const std::string_view text =
      version_ == 1 ? (frozen ? "FROZEN" : "THAWED") : (frozen ? "1" : "0");
  return pwrite(control_.get(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
}

bool Freezer::Freeze(std::chrono::milliseconds limit, int cancelled) {
  const State found = Read();
  found_frozen_ = found != State::kThawed;
  if (found == State::kFrozen) return true;
  if (!found_frozen_) {
    watch_.emplace(control_, version_, criu_);
    if (Holds(Guard::Get().pid())) {
      watch_.reset();
      throw Failure("freeze", EBUSY,
                    "the process that would thaw the cgroup " + path_ + " is in it");
    }
    frozen_by_us_ = true;  // from the first write on, whatever it answers
    if (!Write(true)) {
      const int error_number = errno;
      Thaw();
      throw Failure("freeze", error_number, "cannot freeze the cgroup");
    }
  }
  const auto start = steady_clock::now();
  auto retry = start + kRetry;
  for (;;) {
    if (Read() == State::kFrozen) return true;
    const auto now = steady_clock::now();
    if (now - start >= limit) break;
    if (version_ == 1 && now >= retry) {
      static_cast<void>(Write(true));
      retry = now + kRetry;
    }
    pollfd fd{cancelled, POLLIN, 0};
    const timespec pause{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(kPoll).count()};
    if (ppoll(&fd, 1, &pause, nullptr) > 0) break;
  }
  Thaw();
  return false;
}

void Freezer::Restore() noexcept {
  if (found_frozen_ && Read() == State::kThawed) static_cast<void>(Write(true));
  Thaw();
}

void Freezer::Thaw() noexcept {
  if (!frozen_by_us_) return;
  frozen_by_us_ = false;
  // This fails when the cgroup is gone with its tasks, which is as good.
  static_cast<void>(Write(false));
  watch_.reset();
}

}  // namespace criu_node
