#include "criu/dump_log.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdint>

#include "base/unique_fd.h"

namespace criu_node {

namespace {

// This takes two milliseconds, which are next to nothing of the dump that writes as much.
constexpr int64_t kMostBytes = int64_t{4} * 1024 * 1024;

constexpr std::string_view kCgroups = "cg: ";

// Where a mark may stand in the log more than once.
enum class Which { kFirst, kLast };

struct Mark {
  std::string_view words;
  double DumpLog::*time;
  Which which = Which::kFirst;
};

// The same in CRIU 3.16 to 4.2. Since 3.18 "net: " stands in front of what it says of networks.
constexpr auto kMarks = std::to_array<Mark>({
    {"net: Lock network", &DumpLog::lock},
    {"Lock network", &DumpLog::lock},
    {"Dumping task (pid: ", &DumpLog::tasks},
    {"mnt: Dumping mountpoints", &DumpLog::mounts},
    {"Dumping file-locks", &DumpLog::file_locks},
    {"Namespaces dump complete", &DumpLog::namespaces_done},
    {"net: Unlock network", &DumpLog::unlock, Which::kLast},
    {"Unlock network", &DumpLog::unlock, Which::kLast},
    {"Unfreezing tasks into ", &DumpLog::resume, Which::kLast},
    {"Dumping finished successfully", &DumpLog::done, Which::kLast},
});

// `Dumping 1(4711)'s namespaces`
constexpr Mark kNamespaces{"Dumping ", &DumpLog::namespaces};
constexpr std::string_view kNamespacesEnd = ")'s namespaces";

bool IsDigit(char character) { return character >= '0' && character <= '9'; }

struct Line {
  double time = -1;  // milliseconds
  std::string_view words;
};

// Takes digits from the front of a text; how many there were.
size_t TakeNumber(std::string_view* text, uint64_t* number) {
  constexpr size_t kMostDigits = 9;
  size_t length = 0;
  for (; length < text->size() && length < kMostDigits && IsDigit((*text)[length]); ++length) {
    *number = *number * 10 + static_cast<uint64_t>((*text)[length] - '0');
  }
  text->remove_prefix(length);
  return length;
}

bool TakeCharacter(std::string_view* text, char character) {
  if (!text->starts_with(character)) return false;
  text->remove_prefix(1);
  return true;
}

// `(00.012345) words`; nothing for a line without a time.
std::optional<Line> ParseLine(std::string_view text) {
  uint64_t seconds = 0;
  uint64_t fraction = 0;
  if (!TakeCharacter(&text, '(') || TakeNumber(&text, &seconds) == 0) return std::nullopt;
  if (!TakeCharacter(&text, '.')) return std::nullopt;
  const size_t places = TakeNumber(&text, &fraction);
  if (places == 0 || !TakeCharacter(&text, ')') || !TakeCharacter(&text, ' ')) return std::nullopt;
  double milliseconds = static_cast<double>(fraction) * 1000;
  for (size_t place = 0; place < places; ++place) milliseconds /= 10;
  return Line{.time = static_cast<double>(seconds) * 1000 + milliseconds, .words = text};
}

const Mark* MarkOf(std::string_view words) {
  for (const Mark& mark : kMarks) {
    if (words.starts_with(mark.words)) return &mark;
  }
  const bool is_namespaces = words.starts_with(kNamespaces.words) &&
                             words.ends_with(kNamespacesEnd) &&
                             IsDigit(words[kNamespaces.words.size()]);
  return is_namespaces ? &kNamespaces : nullptr;
}

// Goes through the lines of a log, each of which is judged when the next one is known.
class LogReader {
 public:
  void Add(const Line& line) {
    // A next one of the past tells nothing of this one.
    const bool is_before = pending_ && (pending_->time <= line.time || line.time < now_);
    if (is_before && pending_->time >= now_) Take(*pending_);
    pending_ = line;
  }

  DumpLog Finish() {
    if (pending_ && pending_->time >= now_) Take(*pending_);
    return log_;
  }

 private:
  void Take(const Line& line) {
    const bool is_cgroups = line.words.starts_with(kCgroups);
    if (is_cgroups && was_cgroups_ && log_.tasks >= 0) {
      (log_.mounts < 0 && log_.file_locks < 0 ? log_.task_cgroups : log_.other_cgroups) +=
          line.time - now_;
    }
    was_cgroups_ = is_cgroups;
    now_ = line.time;
    const Mark* mark = MarkOf(line.words);
    if (mark == nullptr) return;
    double& time = log_.*(mark->time);
    if (time < 0 || mark->which == Which::kLast) time = line.time;
  }

  DumpLog log_;
  std::optional<Line> pending_;
  double now_ = 0;
  bool was_cgroups_ = false;  // the line before
};

}  // namespace

DumpLog ParseDumpLog(std::string_view text) {
  LogReader reader;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (const auto line = ParseLine(text.substr(0, end))) reader.Add(*line);
    if (end == text.npos) break;
    text.remove_prefix(end + 1);
  }
  return reader.Finish();
}

std::optional<DumpLog> ReadDumpLog(int directory, const std::string& name) {
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): openat() is what there is
  const UniqueFd file(openat(directory, name.c_str(), kFlags));
  struct stat info {};
  if (!file.valid() || fstat(file.get(), &info) != 0 || !S_ISREG(info.st_mode)) return std::nullopt;
  if (info.st_size > kMostBytes) return std::nullopt;
  std::string text(static_cast<size_t>(info.st_size), '\0');
  const ssize_t length = pread(file.get(), text.data(), text.size(), 0);
  if (length <= 0) return std::nullopt;
  text.resize(static_cast<size_t>(length));
  return ParseDumpLog(text);
}

}  // namespace criu_node
