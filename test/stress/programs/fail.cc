// Preloaded into a Node process under stress: the n-th call of a kind fails, as on a machine that
// has no memory or no thread left. What fails is told by a page that this process shares with
// whoever tests it, the file FAULT_CONTROL. None of it reaches criu, which gets no LD_PRELOAD of
// ours. Where each call that failed was made is written to the file FAULT_TRACE, if that is set.

#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
}

namespace {

enum What : int64_t { kNothing, kThread, kMemory, kMemoryOfJavaScript };

// Its numbers are 64-bit ones in the machine's order, which test/stress/shortage.ts writes and
// reads.
struct Control {
  std::atomic<int64_t> what;
  std::atomic<int64_t> from;   // the number of the first call that fails, from 1 on
  std::atomic<int64_t> count;  // how many fail from there on
  std::atomic<int64_t> seen;
  std::atomic<int64_t> failed;
};

Control* control = nullptr;
int trace = -1;

// Set by the name that the addon gives its threads; those of Node and of V8 have others.
__attribute__((tls_model("initial-exec"))) thread_local bool is_ours = false;

__attribute__((constructor)) void Open() {
  if (const char* file = getenv("FAULT_TRACE"); file != nullptr) {
    trace = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    void* first = nullptr;
    backtrace(&first, 1);  // loads what it needs, which allocates
  }
  const char* path = getenv("FAULT_CONTROL");
  const int fd = path == nullptr ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void* memory = mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory != MAP_FAILED) control = static_cast<Control*>(memory);
  close(fd);
}

bool Fails(What what) {
  if (control == nullptr || control->what.load(std::memory_order_relaxed) != what) return false;
  const int64_t number = control->seen.fetch_add(1) + 1;
  const int64_t from = control->from.load();
  if (number < from || number - from >= control->count.load()) return false;
  control->failed.fetch_add(1);
  if (trace >= 0) {
    void* frames[24];
    const int depth = backtrace(frames, 24);
    [[maybe_unused]] ssize_t written = write(trace, "failed:\n", 8);
    backtrace_symbols_fd(frames, depth, trace);
  }
  return true;
}

bool FailsForMemory() { return is_ours && Fails(kMemory); }

// Where the code of one file lies.
struct Range {
  bool (*is_wanted)(const char* name);
  uintptr_t start = 0;
  uintptr_t end = 0;
};

int Find(dl_phdr_info* info, size_t /*size*/, void* data) {
  auto* range = static_cast<Range*>(data);
  if (!range->is_wanted(info->dlpi_name)) return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto& header = info->dlpi_phdr[i];
    if (header.p_type != PT_LOAD || (header.p_flags & PF_X) == 0) continue;
    const uintptr_t start = info->dlpi_addr + header.p_vaddr;
    if (range->end == 0) range->start = start;
    range->end = start + header.p_memsz;
  }
  return 1;
}

bool IsIn(Range* range, const void* caller) {
  if (range->end == 0) dl_iterate_phdr(Find, range);
  const auto address = reinterpret_cast<uintptr_t>(caller);
  return address >= range->start && address < range->end;
}

bool IsOfAddon(const void* caller) {
  static Range addon{[](const char* name) { return strstr(name, "criu_native.node") != nullptr; }};
  return IsIn(&addon, caller);
}

bool IsOfNode(const void* caller) {
  static Range node{[](const char* name) { return *name == '\0'; }};
  return IsIn(&node, caller);
}

template <typename Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

void* malloc(size_t size) {
  if (!FailsForMemory()) return __libc_malloc(size);
  errno = ENOMEM;
  return nullptr;
}

void* calloc(size_t count, size_t size) {
  if (!FailsForMemory()) return __libc_calloc(count, size);
  errno = ENOMEM;
  return nullptr;
}

void* realloc(void* memory, size_t size) {
  if (!FailsForMemory()) return __libc_realloc(memory, size);
  errno = ENOMEM;
  return nullptr;
}

int prctl(int option, ...) {
  static const auto next = Next<int (*)(int, ...)>("prctl");
  va_list list;
  va_start(list, option);
  unsigned long argument[4];
  for (auto& one : argument) one = va_arg(list, unsigned long);
  va_end(list);
  if (option == PR_SET_NAME) {
    const char* name = reinterpret_cast<const char*>(argument[0]);
    is_ours = strncmp(name, "criu", 4) == 0;
  }
  return next(option, argument[0], argument[1], argument[2], argument[3]);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*),
                   void* argument) {
  static const auto next =
      Next<int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*)>("pthread_create");
  return Fails(kThread) ? EAGAIN : next(thread, attributes, start, argument);
}

}  // extern "C"

// Only what the addon's own code asks for on the JavaScript thread, and nothing that Node asks for,
// which it does on our threads when it is called from there: it ends when it has no memory.
void* operator new(size_t size) {
  const void* const caller = __builtin_return_address(0);
  if (control != nullptr && control->what.load(std::memory_order_relaxed) == kMemoryOfJavaScript &&
      !is_ours && IsOfAddon(caller) && Fails(kMemoryOfJavaScript)) {
    throw std::bad_alloc();
  }
  void* memory = is_ours && IsOfNode(caller) ? __libc_malloc(size) : malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
