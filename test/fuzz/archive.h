#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz.h"
#include "programs/tar/header.h"

// What the programs that fuzz an archiver share: names of files, and a reader of what was written.
namespace criu_node::fuzz {

// As long as a file system allows it, and without what it does not.
inline std::string NameFrom(Input* input) {
  std::string name = input->Text();
  std::erase_if(name, [](char c) { return c == '\0' || c == '/'; });
  return name.substr(0, 255);
}

struct ArchiveEntry {
  char type;
  std::string name;
  // The records of its extended header, as they are.
  std::string extended;
};

inline int64_t Number(std::string_view field) {
  int64_t value = 0;
  if ((field[0] & '\x80') != 0) {
    for (const char c : field.substr(1)) value = (value << 8) | static_cast<unsigned char>(c);
    return value;
  }
  std::from_chars(field.data(), field.data() + field.size(), value, 8);
  return value;
}

template <size_t kSize>
std::string_view Field(const std::array<char, kSize>& field) {
  return {field.data(), kSize};
}

// Reads the archive as a tar does that extracts it, and ends the program where one could not.
inline std::vector<ArchiveEntry> EntriesIn(std::string_view archive) {
  std::vector<ArchiveEntry> entries;
  Expect(archive.size() % (20 * tar::kBlockSize) == 0, "it consists of whole records");
  std::string long_name;
  std::string extended;
  for (;;) {
    Expect(archive.size() >= tar::kBlockSize, "it has an end");
    if (archive.substr(0, tar::kBlockSize).find_first_not_of('\0') == archive.npos) break;
    tar::Header header(tar::kRegular, {}, {});
    std::memcpy(&header, archive.data(), sizeof(header));
    const auto checksum = header.checksum;
    header.SetChecksum();
    Expect(checksum == header.checksum, "a header has the right sum");
    archive.remove_prefix(tar::kBlockSize);
    for (char more = header.type == tar::kSparse ? header.sparse_continues : '\0'; more != '\0';) {
      Expect(archive.size() >= tar::kBlockSize, "the extents go on");
      more = archive[offsetof(tar::SparseContinuation, continues)];
      archive.remove_prefix(tar::kBlockSize);
    }
    const auto size = static_cast<size_t>(Number(Field(header.size)));
    const size_t padded = (size + tar::kBlockSize - 1) / tar::kBlockSize * tar::kBlockSize;
    Expect(padded <= archive.size(), "the content is whole");
    if (header.type == tar::kLongName) {
      long_name = archive.substr(0, size - 1);
    } else if (header.type == tar::kExtended) {
      extended = archive.substr(0, size);
    } else if (header.type != tar::kLongLinkTarget) {
      std::string name(Field(header.name));
      name.resize(std::min(name.find('\0'), name.size()));
      if (!long_name.empty()) name = std::move(long_name);
      entries.push_back({header.type, std::move(name), std::move(extended)});
      long_name.clear();
      extended.clear();
    }
    archive.remove_prefix(padded);
  }
  Expect(archive.find_first_not_of('\0') == archive.npos, "nothing follows the end");
  return entries;
}

// All of a file that was written.
inline std::string ContentOf(const UniqueFd& file) {
  std::string content(static_cast<size_t>(lseek(file.get(), 0, SEEK_END)), '\0');
  const ssize_t length = pread(file.get(), content.data(), content.size(), 0);
  Expect(length == static_cast<ssize_t>(content.size()), "what was written can be read");
  return content;
}

}  // namespace criu_node::fuzz
