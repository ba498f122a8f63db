// A libcriu each of whose functions behaves in a way of its own, with a request that is none.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

struct criu_opts {
  int socket = -1;
};

namespace {

constexpr std::array<uint8_t, 2> kRequest{8, 1};
// What libcriu takes for the refusal of a request: its type is 0, and so is its success.
constexpr std::array<uint8_t, 4> kRefusal{8, 0, 16, 0};
constexpr size_t kTooMuch = 160UL * 1024;

void Send(const criu_opts* opts) {
  [[maybe_unused]] const ssize_t sent = write(opts->socket, kRequest.data(), kRequest.size());
}

ssize_t Receive(const criu_opts* opts, std::array<uint8_t, 64>* answer) {
  return recv(opts->socket, answer->data(), answer->size(), 0);
}

}  // namespace

extern "C" {

int criu_local_init_opts(criu_opts** opts) {
  *opts = new criu_opts;
  return 0;
}

void criu_local_free_opts(criu_opts* opts) { delete opts; }

void criu_local_set_service_fd(criu_opts* opts, int fd) { opts->socket = fd; }

void criu_local_set_notify_cb(criu_opts* /*opts*/,
                              int (* /*callback*/)(char* action, void* argument)) {}

// As libcriu does it. Gives 0 for a refusal.
int criu_local_dump(criu_opts* opts) {
  Send(opts);
  std::array<uint8_t, 64> answer{};
  const ssize_t length = Receive(opts, &answer);
  close(opts->socket);
  if (length < 0) return -1;
  return std::ranges::equal(std::span(answer).first(static_cast<size_t>(length)), kRefusal) ? 0
                                                                                            : -1;
}

// Waits for more than one answer. Gives what the second one is.
int criu_local_pre_dump(criu_opts* opts) {
  Send(opts);
  std::array<uint8_t, 64> answer{};
  Receive(opts, &answer);
  const ssize_t length = Receive(opts, &answer);
  close(opts->socket);
  return static_cast<int>(length);
}

// Does not read its answer.
int criu_local_restore(criu_opts* opts) {
  Send(opts);
  close(opts->socket);
  return 0;
}

// Asks nothing.
int criu_local_check(criu_opts* opts) {
  close(opts->socket);
  return 0;
}

// Asks too much.
int criu_local_get_version(criu_opts* opts) {
  const std::vector<uint8_t> request(kTooMuch);
  [[maybe_unused]] const ssize_t sent = write(opts->socket, request.data(), request.size());
  close(opts->socket);
  return 0;
}

// Says nothing, and keeps its socket.
int criu_local_feature_check(criu_opts* /*opts*/, void* /*features*/, size_t /*size*/) { return 0; }

}  // extern "C"
