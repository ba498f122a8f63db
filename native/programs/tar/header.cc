#include "programs/tar/header.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <numeric>
#include <span>

namespace criu_node::tar {

namespace {

constexpr std::string_view kMagic("ustar  \0", 8);

void SetText(std::span<char> field, std::string_view text) {
  std::ranges::copy(text.substr(0, field.size()), field.begin());
}

// Writes a number as octal digits and a NUL or, when it is negative or too large, as the two's
// complement with the highest bit of the field set.
void SetNumber(std::span<char> field, int64_t value) {
  const size_t digits = field.size() - 1;
  auto rest = static_cast<uint64_t>(value);
  if (value >= 0 && (rest >> (3 * digits)) == 0) {
    field[digits] = '\0';
    for (size_t i = digits; i-- > 0; rest >>= 3) field[i] = static_cast<char>('0' + (rest & 7));
    return;
  }
  const char fill = value < 0 ? '\xff' : '\0';
  for (size_t i = field.size(); i-- > 0;) {
    const size_t place = field.size() - 1 - i;
    field[i] = place < sizeof(rest) ? static_cast<char>((rest >> (8 * place)) & 0xff) : fill;
  }
  field[0] = value < 0 ? '\xff' : '\x80';
}

}  // namespace

void SparseExtent::Set(const Extent& extent) {
  SetNumber(offset, extent.offset);
  SetNumber(length, extent.length);
}

Header::Header(char type, std::string_view name, const struct stat& status) : type(type) {
  SetText(this->name, name);
  SetText(magic, kMagic);
  SetNumber(mode, static_cast<int64_t>(status.st_mode & 07777));
  SetNumber(uid, status.st_uid);
  SetNumber(gid, status.st_gid);
  SetNumber(size, 0);
  SetNumber(mtime, status.st_mtim.tv_sec);
}

void Header::SetSize(int64_t value) { SetNumber(size, value); }

void Header::SetLinkTarget(std::string_view target) { SetText(link_target, target); }

void Header::SetDevice(dev_t device) {
  SetNumber(device_major, static_cast<int64_t>(major(device)));
  SetNumber(device_minor, static_cast<int64_t>(minor(device)));
}

void Header::SetRealSize(int64_t value) { SetNumber(real_size, value); }

void Header::SetChecksum() {
  checksum.fill(' ');
  const std::span<const unsigned char> bytes(reinterpret_cast<const unsigned char*>(this),
                                             sizeof(*this));
  // Six digits and a NUL; the eighth byte stays a space.
  SetNumber(std::span(checksum).first<7>(), std::accumulate(bytes.begin(), bytes.end(), 0));
}

}  // namespace criu_node::tar
