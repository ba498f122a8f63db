#include "criu/libcriu.h"

#include <dlfcn.h>
#include <link.h>

#include <map>
#include <mutex>

#include "base/failure.h"
#include "base/process_global.h"

namespace criu_node {

namespace {

// The libraries that have been loaded, by path.
//
// Owner: the process. Thread: any, with the mutex.
struct LibraryCache {
  std::mutex mutex;
  std::map<std::string, std::shared_ptr<const LibCriu>> by_path;
};

// Whether the library has the function.
template <typename Function>
bool Look(void* handle, const char* symbol, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(handle, symbol));
  return *function != nullptr;
}

template <typename Function>
void Require(void* handle, const char* symbol, Function* function) {
  if (Look(handle, symbol, function)) return;
  throw Failure("library", 0, std::string("this libcriu has no ") + symbol);
}

}  // namespace

std::shared_ptr<const LibCriu> LibCriu::Load(const std::string& path) {
  auto& cache = ProcessGlobal<LibraryCache>();
  const std::lock_guard lock(cache.mutex);
  auto& entry = cache.by_path[path];
  if (!entry) entry = std::make_shared<const LibCriu>(Token{}, path);
  return entry;
}

LibCriu::LibCriu(Token /*token*/, const std::string& path)
    : handle_(dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (handle_ == nullptr) {
    const char* reason = dlerror();  // NOLINT(concurrency-mt-unsafe): per thread in glibc and musl
    throw Failure("library", 0, reason != nullptr ? reason : "dlopen failed");
  }
  Require(handle_, "criu_local_init_opts", &init_opts);
  Require(handle_, "criu_local_free_opts", &free_opts);
  Require(handle_, "criu_local_set_service_fd", &set_service_fd);
  Require(handle_, "criu_local_set_notify_cb", &set_notify_cb);
  Require(handle_, "criu_local_check", &check);
  Require(handle_, "criu_local_dump", &dump);
  Look(handle_, "criu_local_pre_dump", &pre_dump);
  Require(handle_, "criu_local_restore", &restore);
  Require(handle_, "criu_local_get_version", &get_version);
  Look(handle_, "criu_local_feature_check", &feature_check);
  link_map* map = nullptr;
  if (dlinfo(handle_, RTLD_DI_LINKMAP, &map) == 0 && map != nullptr) file_ = map->l_name;
}

void* LibCriu::Find(const char* symbol) const { return dlsym(handle_, symbol); }

}  // namespace criu_node
