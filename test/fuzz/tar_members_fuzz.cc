// An archive, as another tar may have made it: for each entry a byte that says what is unusual
// about it, its type, its name, its numbers and its content. What we take on has to become what GNU
// tar makes of it.
#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string>

#include "extraction.h"
#include "fuzz.h"
#include "programs/tar/header.h"

namespace {

using criu_node::fuzz::Bytes;
using criu_node::fuzz::Input;
using criu_node::fuzz::IsExtractedAsByGnuTar;
using criu_node::fuzz::NoDescriptorIsLeft;
using criu_node::fuzz::Scratch;
namespace tar = criu_node::tar;

constexpr size_t kMaxEntries = 30;

int64_t NumberFrom(Input* input, int bytes) {
  int64_t value = 0;
  for (int i = 0; i < bytes; ++i) value = value << 8 | input->Byte();
  return value;
}

void Pad(std::string* archive) {
  archive->append((tar::kBlockSize - archive->size() % tar::kBlockSize) % tar::kBlockSize, '\0');
}

void AddEntry(Input* input, std::string* archive) {
  constexpr std::array<char, 13> kTypes = {'0', '0', '5', '5', '1', '2', '3',
                                           '4', '6', 'L', 'K', '7', 'S'};
  const uint8_t unusual = input->Byte();
  const char type = kTypes.at(input->Byte() % kTypes.size());
  std::string name = ((unusual & 1U) != 0 ? "" : "./") + input->Text();
  if (type == '5' && (unusual & 2U) == 0 && !name.ends_with('/')) name += '/';
  struct stat status {};
  status.st_mode = static_cast<mode_t>(NumberFrom(input, 2));
  status.st_uid = static_cast<uid_t>(NumberFrom(input, 2));
  status.st_gid = static_cast<gid_t>(NumberFrom(input, 2) << (unusual & 8U));
  status.st_mtim.tv_sec = NumberFrom(input, 4) * ((unusual & 4U) != 0 ? -1 : 1);
  tar::Header header(type, name, status);
  std::string content;
  if (type == tar::kSymbolicLink || type == tar::kHardLink) {
    header.SetLinkTarget(((unusual & 1U) != 0 ? "" : "./") + input->Text());
  } else if (type == tar::kCharacterDevice || type == tar::kBlockDevice) {
    header.SetDevice(static_cast<dev_t>(NumberFrom(input, 2)));
  } else if (type != tar::kDirectory && type != tar::kFifo) {
    const Bytes chunk = input->Chunk();
    content.assign(chunk.begin(), chunk.end());
    if (type == tar::kLongName || type == tar::kLongLinkTarget) content = "./" + content + '\0';
  }
  header.SetSize(static_cast<int64_t>(content.size()));
  header.SetChecksum();
  std::string block(reinterpret_cast<const char*>(&header), sizeof(header));
  if ((unusual & 16U) != 0) {
    // A byte somewhere, of which the sum may or may not know.
    block.at(static_cast<size_t>(NumberFrom(input, 2)) % block.size()) =
        static_cast<char>(input->Byte());
    if ((unusual & 32U) != 0) {
      std::memcpy(static_cast<void*>(&header), block.data(), sizeof(header));
      header.SetChecksum();
      block.assign(reinterpret_cast<const char*>(&header), sizeof(header));
    }
  }
  *archive += block + content;
  Pad(archive);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Scratch scratch;
  const NoDescriptorIsLeft none_is_left;
  Input input(data, size);
  std::string archive;
  for (size_t entries = 0; entries < kMaxEntries && !input.empty(); ++entries) {
    AddEntry(&input, &archive);
  }
  archive.append(2 * tar::kBlockSize, '\0');
  IsExtractedAsByGnuTar(archive, scratch.path());
  return 0;
}
