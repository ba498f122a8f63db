// cgroup.img, as criu has written it.
#include <cstring>
#include <string>

#include "criu/images.h"
#include "fuzz.h"

namespace {

using criu_node::UniqueFd;
using criu_node::fuzz::Expect;
using criu_node::fuzz::NoDescriptorIsLeft;
using criu_node::fuzz::Scratch;

// The words that are exchanged, and the name of the property before them.
constexpr std::string_view kFrozen =
    "\x0a\x0d"
    "freezer.state\x12\x06"
    "FROZEN";
constexpr std::string_view kThawed = "THAWED";

class Images : public Scratch {
 public:
  Images()
      : directory_(open(path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
        file_(openat(directory_.get(), "cgroup.img", O_RDWR | O_CREAT | O_CLOEXEC, 0600)) {}
  ~Images() { unlinkat(directory_.get(), "cgroup.img", 0); }
  Images(const Images&) = delete;
  Images& operator=(const Images&) = delete;
  Images(Images&&) = delete;
  Images& operator=(Images&&) = delete;

  [[nodiscard]] int directory() const { return directory_.get(); }
  void Write(std::string_view content) const {
    Expect(ftruncate(file_.get(), 0) == 0 && pwrite(file_.get(), content.data(), content.size(),
                                                    0) == static_cast<ssize_t>(content.size()),
           "the image can be written");
  }

 private:
  UniqueFd directory_;
  UniqueFd file_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Images images;
  const NoDescriptorIsLeft none_is_left;
  std::string expected(reinterpret_cast<const char*>(data), size);
  images.Write(expected);
  for (size_t at = expected.find(kFrozen); at != expected.npos; at = expected.find(kFrozen)) {
    expected.replace(at + kFrozen.size() - kThawed.size(), kThawed.size(), kThawed);
  }
  criu_node::ThawCgroupImage(images.directory());
  Expect(criu_node::ReadFileAt(images.directory(), "cgroup.img") == expected,
         "each frozen state is a thawed one, and all else is as it was");
  return 0;
}
