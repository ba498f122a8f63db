// The `criu` that a container runtime finds first when we restore a container by it. A runtime
// starts criu once to ask for its version, which is known: this program answers in its place. For
// the restore it becomes the criu that we use, into which our libraries are preloaded, but not into
// the runtime.

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

namespace {

// What lib/criu/runtime-environment.ts has set for us.
constexpr const char* kProgram = "LIBCRIU_FRONT_CRIU";
constexpr const char* kPreload = "LIBCRIU_FRONT_PRELOAD";
// The answer to the question for the version, in hexadecimal digits.
constexpr const char* kVersion = "LIBCRIU_FRONT_VERSION";

// A criu_req whose type is VERSION, as everybody writes it: the type is the first field.
constexpr std::string_view kVersionRequest("\x08\x0a", 2);
// How long the question may take to arrive: the runtime puts it as soon as it has started us.
constexpr int kPatienceMs = 5;
constexpr int kNotExecuted = 127;

struct Bytes {
  std::array<char, 512> data;
  size_t size = 0;
};

int DigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool ReadHexadecimal(std::string_view text, Bytes* bytes) {
  if (text.empty() || text.size() % 2 != 0 || text.size() / 2 > bytes->data.size()) return false;
  for (size_t i = 0; i < text.size(); i += 2) {
    const int high = DigitOf(text[i]);
    const int low = DigitOf(text[i + 1]);
    if (high < 0 || low < 0) return false;
    bytes->data[bytes->size++] = static_cast<char>(high * 16 + low);
  }
  return true;
}

// The socket of a `criu swrk N`; -1 for any other command.
int SocketOf(int argc, char** argv) {
  if (argc != 3 || std::string_view(argv[1]) != "swrk") return -1;
  char* end = nullptr;
  const long number = strtol(argv[2], &end, 10);
  return end != argv[2] && *end == '\0' && number >= 0 && number < (1L << 20)
             ? static_cast<int>(number)
             : -1;
}

// Whether the version is all that is asked for, and has been told. A request that is not for us
// stays in the socket, for criu.
bool HasToldVersion(int socket) {
  const char* text = getenv(kVersion);  // NOLINT(concurrency-mt-unsafe): there is one thread
  Bytes answer;
  if (socket < 0 || text == nullptr || !ReadHexadecimal(text, &answer)) return false;
  pollfd waiting{.fd = socket, .events = POLLIN, .revents = 0};
  // runc asks for the version by a socket that has got any number, and has the one of a restore
  // as 3. It sends that request later, so that the wait would be for nothing.
  if (poll(&waiting, 1, socket == 3 ? 0 : kPatienceMs) != 1) return false;
  Bytes request;
  const ssize_t length =
      recv(socket, request.data.data(), request.data.size(), MSG_PEEK | MSG_DONTWAIT);
  if (length < static_cast<ssize_t>(kVersionRequest.size()) ||
      std::string_view(request.data.data(), kVersionRequest.size()) != kVersionRequest) {
    return false;
  }
  // What is left unread in a socket that is closed resets the connection.
  static_cast<void>(recv(socket, request.data.data(), request.data.size(), 0));
  return send(socket, answer.data.data(), answer.size, MSG_NOSIGNAL) ==
         static_cast<ssize_t>(answer.size);
}

}  // namespace

int main(int argc, char** argv) {
  // NOLINTBEGIN(concurrency-mt-unsafe): there is one thread
  const char* program = getenv(kProgram);
  if (program == nullptr) return kNotExecuted;
  if (HasToldVersion(SocketOf(argc, argv))) return 0;
  const char* preload = getenv(kPreload);
  if (preload != nullptr) setenv("LD_PRELOAD", preload, 1);
  unsetenv(kPreload);
  unsetenv(kVersion);
  // What it points to stays where it is.
  unsetenv(kProgram);
  execv(program, argv);
  fprintf(stderr, "criu: cannot execute %s: %s\n", program, strerror(errno));
  // NOLINTEND(concurrency-mt-unsafe)
  return kNotExecuted;
}
