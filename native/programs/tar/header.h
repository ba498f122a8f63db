#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <string_view>

namespace criu_node::tar {

constexpr size_t kBlockSize = 512;

constexpr char kRegular = '0';
constexpr char kHardLink = '1';
constexpr char kSymbolicLink = '2';
constexpr char kCharacterDevice = '3';
constexpr char kBlockDevice = '4';
constexpr char kDirectory = '5';
constexpr char kFifo = '6';
constexpr char kLongLinkTarget = 'K';
constexpr char kLongName = 'L';
constexpr char kSparse = 'S';
constexpr char kExtended = 'x';

// A stretch of a sparse file that is not a hole.
struct Extent {
  int64_t offset;
  int64_t length;
};

struct SparseExtent {
  std::array<char, 12> offset;
  std::array<char, 12> length;

  void Set(const Extent& extent);
};

// A header block in GNU tar's own format, the one that GNU tar writes unless told otherwise: no
// limit on names and numbers, times in whole seconds, no extended attributes.
struct Header {
  std::array<char, 100> name{};
  std::array<char, 8> mode{};
  std::array<char, 8> uid{};
  std::array<char, 8> gid{};
  std::array<char, 12> size{};
  std::array<char, 12> mtime{};
  std::array<char, 8> checksum{};
  char type;
  std::array<char, 100> link_target{};
  std::array<char, 8> magic{};
  std::array<char, 64> owner_names{};  // empty: --numeric-owner
  std::array<char, 8> device_major{};
  std::array<char, 8> device_minor{};
  std::array<char, 41> unused{};
  std::array<SparseExtent, 4> sparse{};
  char sparse_continues = 0;
  std::array<char, 12> real_size{};
  std::array<char, 17> padding{};

  // What does not fit is cut off: a long name or target goes ahead in an entry of its own.
  Header(char type, std::string_view name, const struct stat& status);
  void SetSize(int64_t value);
  void SetLinkTarget(std::string_view target);
  void SetDevice(dev_t device);
  void SetRealSize(int64_t value);
  // To be called last.
  void SetChecksum();

  [[nodiscard]] static bool NameFits(std::string_view name) { return name.size() <= 100; }
};

// Follows the header of a file that has more extents than fit there.
struct SparseContinuation {
  std::array<SparseExtent, 21> sparse;
  char continues;
  std::array<char, 7> padding;
};

static_assert(sizeof(Header) == kBlockSize);
static_assert(sizeof(SparseContinuation) == kBlockSize);

}  // namespace criu_node::tar
