// Preloaded into criu: while criu finds out which pages there are and has the tasks put them into
// pipes, a process beside it copies those of before into the image. All of that is done with the
// tasks frozen. The image gets the same bytes at the same places.
//
// criu moves pages by splice() from a pipe to the image. Here splice() moves them to a pipe of
// ours, a lane, which costs next to nothing, and the other process empties the lane into the
// image. criu must not go on before all is in it, and must learn of an error: both is done when it
// closes the image.

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "programs/preload/hide_from_children.h"

// open(), fcntl(), syscall() and snprintf() have no other form.
// NOLINTBEGIN(cppcoreguidelines-pro-type-vararg)

namespace {

// What criu copies by itself before it gets help, which most dumps do not reach.
constexpr size_t kAlone = size_t{16} << 20U;
// A page server has a pipe of 64 KiB, and tells the sender that all is well before it closes the
// image. It is left alone by this.
constexpr int kSmallestPipe = 1 << 20U;
// As much as criu moves at a time: eight pipes.
constexpr size_t kLanes = 8;
// By how much a file is made longer ahead of what is written by a mapping.
constexpr off_t kAhead = off_t{32} << 20U;
// A part of this size stays in the processor's cache between two system calls.
constexpr size_t kPart = size_t{256} << 10U;

struct Pair {
  int read = -1;
  int write = -1;
};

struct Lane {
  Pair pipe;
  bool is_busy = false;
};

// Pages in a lane, and where they belong. The answer to it is the same with its error.
struct Job {
  size_t lane = 0;
  size_t length = 0;
  off_t offset = 0;
  int error = 0;
};

ssize_t Splice(int from, loff_t* from_offset, int to, loff_t* to_offset, size_t length,
               unsigned flags) {
  return syscall(SYS_splice, from, from_offset, to, to_offset, length, flags);
}

int Close(int file) { return static_cast<int>(syscall(SYS_close, file)); }

using Link = std::array<char, 32>;

Link LinkOf(int file) {
  Link link{};
  snprintf(link.data(), link.size(), "/proc/self/fd/%d", file);
  return link;
}

bool IsRegular(int file) {
  struct stat state {};
  return fstat(file, &state) == 0 && S_ISREG(state.st_mode);
}

// Whether pages may be written by a mapping: where a file is memory, and its end may be moved.
bool CanBeMapped(int file) {
  struct statfs system {};
  rlimit longest{};
  return fstatfs(file, &system) == 0 && system.f_type == TMPFS_MAGIC &&
         getrlimit(RLIMIT_FSIZE, &longest) == 0 && longest.rlim_cur == RLIM_INFINITY;
}

bool HasAnotherProcessor() {
  cpu_set_t processors;
  return sched_getaffinity(0, sizeof(processors), &processors) == 0 && CPU_COUNT(&processors) > 1;
}

// One image of pages, from the moment on in which criu has help until it closes the image.
class Image {
 public:
  // What splice() is to answer; none if criu is to copy itself.
  std::optional<ssize_t> Take(int pipe, int file, size_t length) {
    if (helper_ == 0) {
      if (file != file_) Watch(file);
      if (!is_image_) return std::nullopt;
      alone_ += length;
      if (alone_ < kAlone || !Start(pipe)) return std::nullopt;
    }
    return file == file_ ? std::optional(Move(pipe, length)) : std::nullopt;
  }

  // Before the file is closed: its errno, or 0.
  int Finish(int file) {
    if (file != file_ || getpid() != owner_) return 0;
    if (helper_ != 0) {
      Send();
      while (HasBusyLane()) Collect();
      if (length_ > offset_ && ftruncate(file_, offset_) != 0 && error_ == 0) error_ = errno;
      Stop();
    }
    file_ = -1;
    is_image_ = false;
    if (error_ != 0) failed_ = error_;
    return error_;
  }

  // The errno of an image that could not be written to its end, or 0.
  [[nodiscard]] int failed() const { return failed_; }

 private:
  void Watch(int file) {
    file_ = file;
    owner_ = getpid();
    is_image_ = IsRegular(file);
    alone_ = 0;
    error_ = 0;
  }

  bool Start(int pipe) {
    const int size = fcntl(pipe, F_GETPIPE_SZ);
    if (size < kSmallestPipe) return false;
    offset_ = lseek(file_, 0, SEEK_CUR);
    if (offset_ < 0 || offset_ % sysconf(_SC_PAGESIZE) != 0 || !HasAnotherProcessor() ||
        !OpenLanes(size) || !StartHelper()) {
      is_image_ = false;
      CloseAll();
      return false;
    }
    // criu opens it for writing alone, and a mapping has to be read.
    if (CanBeMapped(file_)) mapped_ = open(LinkOf(file_).data(), O_RDWR | O_CLOEXEC);
    length_ = offset_;
    return true;
  }

  bool OpenLanes(int size) {
    lane_size_ = static_cast<size_t>(size);
    return std::ranges::all_of(lanes_, [&](Lane& lane) {
      return Open(&lane.pipe, [](int* ends) { return pipe2(ends, O_CLOEXEC); }) &&
             fcntl(lane.pipe.write, F_SETPIPE_SZ, size) == size;
    });
  }

  // A process of its own and no thread: criu enters namespaces, which a process with threads
  // cannot. It has no signal for its end, of which criu would take notice.
  bool StartHelper() {
    const auto open_sockets = [](int* ends) {
      return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
    };
    if (!Open(&jobs_, open_sockets) || !Open(&answers_, open_sockets)) return false;
    const auto pid = static_cast<pid_t>(syscall(SYS_clone, 0, 0, 0, 0, 0));
    if (pid < 0) return false;
    if (pid == 0) Help();
    helper_ = pid;
    // What tells that it has ended.
    CloseOne(&answers_.write);
    return true;
  }

  // The other process. The C library does not know of it, so it makes system calls alone.
  [[noreturn]] void Help() {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    Job job;
    while (getppid() == owner_ && recv(jobs_.read, &job, sizeof(job), 0) == sizeof(job)) {
      job.error = Copy(job);
      if (send(answers_.write, &job, sizeof(job), MSG_NOSIGNAL) != sizeof(job)) break;
    }
    syscall(SYS_exit_group, 0);
    __builtin_unreachable();
  }

  // Moves pages from criu's pipe to a lane.
  ssize_t Move(int pipe, size_t length) {
    while (HasLane()) {
      const size_t part = std::min(length, lane_size_ - filled_);
      const ssize_t moved = Splice(pipe, nullptr, LaneOf(lane_).pipe.write, nullptr, part,
                                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
      if (moved < 0 && errno == EAGAIN && filled_ > 0) {
        // The lane holds as many parts as it can, if they are not all whole pages.
        Send();
        continue;
      }
      if (moved > 0) filled_ += static_cast<size_t>(moved);
      if (filled_ == lane_size_) Send();
      return moved;
    }
    errno = error_;
    return -1;
  }

  // Whether there is a lane to fill. False after an error.
  bool HasLane() {
    while (error_ == 0 && lane_ == kLanes) {
      const auto* const free = std::ranges::find(lanes_, false, &Lane::is_busy);
      if (free == lanes_.end()) {
        Collect();
      } else {
        lane_ = static_cast<size_t>(free - lanes_.begin());
      }
    }
    return error_ == 0;
  }

  [[nodiscard]] bool HasBusyLane() const { return std::ranges::any_of(lanes_, &Lane::is_busy); }

  Lane& LaneOf(size_t number) { return std::span(lanes_)[number]; }
  [[nodiscard]] const Lane& LaneOf(size_t number) const { return std::span(lanes_)[number]; }

  void Send() {
    if (lane_ == kLanes || filled_ == 0) return;
    const Job job{.lane = lane_, .length = filled_, .offset = offset_};
    LaneOf(lane_).is_busy = true;
    offset_ += static_cast<off_t>(filled_);
    lane_ = kLanes;
    filled_ = 0;
    if (send(jobs_.write, &job, sizeof(job), MSG_NOSIGNAL) != sizeof(job)) GiveUp(errno);
  }

  // Waits until a lane is empty. On a tmpfs we help meanwhile, for it lets only one process at a
  // time write to a file, but several to its mappings.
  void Collect() {
    Job job;
    ssize_t got = recv(answers_.read, &job, sizeof(job), MSG_DONTWAIT);
    if (got < 0 && mapped_ >= 0 && recv(jobs_.read, &job, sizeof(job), MSG_DONTWAIT) > 0) {
      job.error = CopyMapped(job);
      got = sizeof(job);
    } else if (got < 0) {
      got = recv(answers_.read, &job, sizeof(job), 0);
    }
    if (got < 0 && errno == EINTR) return;
    if (got != sizeof(job)) return GiveUp(EIO);
    LaneOf(job.lane).is_busy = false;
    if (job.error != 0 && error_ == 0) error_ = job.error;
  }

  // After the other process has ended, nothing is known about the lanes.
  void GiveUp(int error) {
    if (error_ == 0) error_ = error;
    ForgetLanes();
  }

  void ForgetLanes() {
    for (Lane& lane : lanes_) lane.is_busy = false;
  }

  int CopyMapped(Job job) {
    const auto end = job.offset + static_cast<off_t>(job.length);
    if (end > length_) {
      if (ftruncate(file_, end + kAhead) != 0) return Copy(job);
      length_ = end + kAhead;
    }
    void* const place =
        mmap(nullptr, job.length, PROT_READ | PROT_WRITE, MAP_SHARED, mapped_, job.offset);
    if (place == MAP_FAILED) return Copy(job);
    const size_t length = job.length;
    auto* to = static_cast<uint8_t*>(place);
    while (job.length > 0) {
      // Only the kernel touches the mapping, so a full file system is an error and no signal.
      const ssize_t got = read(LaneOf(job.lane).pipe.read, to, std::min(job.length, kPart));
      if (got <= 0) break;
      to += got;
      job.offset += got;
      job.length -= static_cast<size_t>(got);
    }
    munmap(place, length);
    // What is left is written in the usual way, which tells the reason if it fails.
    return Copy(job);
  }

  [[nodiscard]] int Copy(const Job& job) const {
    loff_t offset = job.offset;
    for (size_t left = job.length; left > 0;) {
      const ssize_t part =
          Splice(LaneOf(job.lane).pipe.read, nullptr, file_, &offset, left, SPLICE_F_MOVE);
      if (part < 0 && errno == EINTR) continue;
      if (part < 0) return errno;
      if (part == 0) return EIO;
      left -= static_cast<size_t>(part);
    }
    return 0;
  }

  void Stop() {
    kill(helper_, SIGKILL);
    while (waitpid(helper_, nullptr, __WALL) < 0 && errno == EINTR) {
    }
    helper_ = 0;
    CloseAll();
  }

  void CloseAll() {
    for (Lane& lane : lanes_) ClosePair(&lane.pipe);
    ClosePair(&jobs_);
    ClosePair(&answers_);
    CloseOne(&mapped_);
    ForgetLanes();
    lane_ = kLanes;
    filled_ = 0;
  }

  template <typename Make>
  static bool Open(Pair* pair, const Make& make) {
    std::array<int, 2> ends{};
    if (make(ends.data()) != 0) return false;
    *pair = {.read = ends[0], .write = ends[1]};
    return true;
  }

  static void ClosePair(Pair* pair) {
    CloseOne(&pair->read);
    CloseOne(&pair->write);
  }

  static void CloseOne(int* file) {
    if (*file >= 0) Close(*file);
    *file = -1;
  }

  int file_ = -1;
  pid_t owner_ = 0;
  bool is_image_ = false;
  size_t alone_ = 0;
  int error_ = 0;
  int failed_ = 0;

  pid_t helper_ = 0;
  Pair jobs_;
  Pair answers_;
  std::array<Lane, kLanes> lanes_;
  size_t lane_size_ = 0;
  // The lane that is being filled, and what it holds.
  size_t lane_ = kLanes;
  size_t filled_ = 0;
  // Where the next lane's pages belong, and how long the file has been made for mappings.
  off_t offset_ = 0;
  off_t length_ = 0;
  int mapped_ = -1;
};

constinit Image image;

// The file that tells where the pages of an image belong.
bool IsPagemap(int file) {
  std::array<char, 4096> path{};
  const ssize_t length = readlink(LinkOf(file).data(), path.data(), path.size());
  if (length <= 0) return false;
  const std::string_view text(path.data(), static_cast<size_t>(length));
  return text.substr(text.rfind('/') + 1).starts_with("pagemap-");
}

}  // namespace

// NOLINTEND(cppcoreguidelines-pro-type-vararg)

extern "C" {

__attribute__((visibility("default"))) ssize_t splice(int from, loff_t* from_offset, int to,
                                                      loff_t* to_offset, size_t length,
                                                      unsigned flags) {
  if (from_offset == nullptr && to_offset == nullptr) {
    if (const auto answer = image.Take(from, to, length)) return *answer;
  }
  return Splice(from, from_offset, to, to_offset, length, flags);
}

__attribute__((visibility("default"))) int close(int file) {
  const int error = image.Finish(file);
  const int result = Close(file);
  if (error == 0) return result;
  errno = error;
  return -1;
}

// criu does not ask whether close() has failed. It writes the rest of an image's pagemap after it
// has closed the image, and that fails in its place.
__attribute__((visibility("default"))) ssize_t write(int file, const void* data, size_t length) {
  if (image.failed() != 0 && IsPagemap(file)) {
    errno = image.failed();
    return -1;
  }
  return syscall(SYS_write, file, data, length);
}
}
