#include "linux/beside_addon.h"

#include <dlfcn.h>

namespace criu_node {

std::string BesideAddon(const char* name) {
  Dl_info info{};
  dladdr(reinterpret_cast<const void*>(&BesideAddon), &info);
  const std::string addon = info.dli_fname != nullptr ? info.dli_fname : "";
  return addon.substr(0, addon.rfind('/') + 1) + name;
}

}  // namespace criu_node
