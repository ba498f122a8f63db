#include "programs/init/report.h"

#include <array>
#include <cstdio>

#include "base/passed_descriptor.h"

namespace criu_node::init {

namespace {

constexpr size_t kMostText = 160;
using Text = std::array<char, kMostText>;

}  // namespace

void Report::Started(const UniqueFd& criu) const { SendWithDescriptor(fd(), "S", criu.get()); }

void Report::Failed(const Fault& fault) const {
  Text text{};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): a stream would need the C++ library
  snprintf(text.data(), text.size(), "E%d %s", fault.error, fault.what);
  SendWithDescriptor(fd(), text.data());
}

void Report::Ended(int status) const {
  Text text{};
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-vararg): as above
  snprintf(text.data(), text.size(), "X%d", status);
  SendWithDescriptor(fd(), text.data());
}

}  // namespace criu_node::init
