#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

struct criu_opts;  // libcriu's own, opaque here too

namespace criu_node {

// libcriu's functions, found at run time so that the addon installs and loads where libcriu is
// missing. No other file names a criu_* function; those of the options are rows of criu_options.cc
// and are looked up by name.
//
// Owner: process-wide, one per library path, never unloaded. Thread: any; immutable once loaded.
class LibCriu {
 public:
  // Throws Failure (stage "library") with the loader's own words.
  static std::shared_ptr<const LibCriu> Load(const std::string& path);

  // Null when this libcriu has no such function.
  [[nodiscard]] void* Find(const char* symbol) const;

  // The path of the file that the loader chose.
  [[nodiscard]] const std::string& file() const { return file_; }

  int (*init_opts)(criu_opts** opts) = nullptr;
  void (*free_opts)(criu_opts* opts) = nullptr;
  void (*set_service_fd)(criu_opts* opts, int fd) = nullptr;
  void (*set_notify_cb)(criu_opts* opts, int (*callback)(char* action, void* argument)) = nullptr;
  int (*check)(criu_opts* opts) = nullptr;
  int (*dump)(criu_opts* opts) = nullptr;
  // Null in 3.16, which has no request for a pre-dump alone.
  int (*pre_dump)(criu_opts* opts) = nullptr;
  int (*restore)(criu_opts* opts) = nullptr;
  int (*get_version)(criu_opts* opts) = nullptr;
  // Null in 3.16, which can ask for a check alone: see AppendFeatureCheck().
  int (*feature_check)(criu_opts* opts, void* features, size_t size) = nullptr;

  struct Token {};  // only Load() makes one
  LibCriu(Token token, const std::string& path);
  LibCriu(const LibCriu&) = delete;
  LibCriu& operator=(const LibCriu&) = delete;
  LibCriu(LibCriu&&) = delete;
  LibCriu& operator=(LibCriu&&) = delete;
  ~LibCriu() = default;

 private:
  // The library is never closed: protobuf-c and libcriu keep statics, and a dump may still be
  // running at exit.
  void* handle_ = nullptr;
  std::string file_;
};

}  // namespace criu_node
