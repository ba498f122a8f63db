#include "programs/tar/report.h"

#include <unistd.h>

#include <algorithm>
#include <system_error>

namespace criu_node::tar {

namespace {

constexpr int kDiffers = 1;
constexpr int kFailed = 2;

// Keeps each report on one line, whatever a file is called.
std::string Quoted(std::string_view path) {
  std::string quoted;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f && c != '\\') {
      quoted += c;
      continue;
    }
    quoted += '\\';
    for (const int shift : {6, 3, 0}) quoted += static_cast<char>('0' + ((byte >> shift) & 7));
  }
  return quoted;
}

}  // namespace

void Report::Note(std::string_view path, std::string_view text) {
  const std::string line = "tar: " + Quoted(path) + ": " + std::string(text) + '\n';
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

void Report::Differs(std::string_view path, std::string_view text) {
  Note(path, text);
  status_ = std::max(status_, kDiffers);
}

void Report::Failed(std::string_view path, std::string_view text, int error_number) {
  Note(path, error_number == 0
                 ? std::string(text)
                 : std::string(text) + ": " + std::generic_category().message(error_number));
  status_ = kFailed;
}

}  // namespace criu_node::tar
