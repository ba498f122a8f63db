// What a client of lazy pages and criu send each other: a byte that says how, then chunks, each
// after a byte that says whose it is.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

#include "fuzz.h"
#include "linux/listener.h"
#include "serve/page_relay.h"

namespace {

using criu_node::Listen;
using criu_node::Listener;
using criu_node::PageRelay;
using criu_node::UniqueFd;
using criu_node::fuzz::Bytes;
using criu_node::fuzz::Expect;
using criu_node::fuzz::Input;
using criu_node::fuzz::NoDescriptorIsLeft;

using Said = std::vector<uint8_t>;

constexpr uint8_t kTls = 1;
constexpr uint8_t kIsBroken = 2;
constexpr int kLimitMs = 10'000;

UniqueFd Connect(uint16_t port) {
  UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(port);
  inet_pton(AF_INET, "127.0.0.1", &place.sin_addr);
  Expect(connect(client.get(), reinterpret_cast<const sockaddr*>(&place), sizeof(place)) == 0,
         "the relay takes a client");
  return client;
}

// libFuzzer looks after the time by signals, which would interrupt what waits here.
class NoAlarm {
 public:
  NoAlarm() {
    sigemptyset(&alarm_);
    sigaddset(&alarm_, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm_, nullptr);
  }
  ~NoAlarm() { pthread_sigmask(SIG_UNBLOCK, &alarm_, nullptr); }
  NoAlarm(const NoAlarm&) = delete;
  NoAlarm& operator=(const NoAlarm&) = delete;
  NoAlarm(NoAlarm&&) = delete;
  NoAlarm& operator=(NoAlarm&&) = delete;

 private:
  sigset_t alarm_{};
};

// No port is to wait for late packets: there are thousands of connections in a second.
void ForgetAtClose(int socket) {
  const linger reset{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

void Say(int socket, Bytes bytes, Said* said) {
  if (send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0) {
    said->insert(said->end(), bytes.begin(), bytes.end());
  }
}

// Returns what ended it: 0 for an orderly end.
int Hear(int socket, Said* heard) {
  std::array<uint8_t, 4096> buffer{};
  for (;;) {
    pollfd wait{socket, POLLIN, 0};
    Expect(poll(&wait, 1, kLimitMs) > 0, "the relay comes to an end");
    const ssize_t length = recv(socket, buffer.data(), buffer.size(), 0);
    if (length <= 0) return length == 0 ? 0 : errno;
    heard->insert(heard->end(), buffer.begin(), buffer.begin() + length);
  }
}

// Whether a client has said that it is done, as CRIU's records do.
bool IsDone(const Said& said) {
  for (const size_t size : {size_t{32}, size_t{24}}) {
    if (said.size() < size) continue;
    const uint8_t* const record = said.data() + said.size() - size;
    uint32_t command = 0;
    std::memcpy(&command, record, sizeof(command));
    const bool is_empty = std::all_of(record + sizeof(command), record + size,
                                      [](uint8_t byte) { return byte == 0; });
    if ((command == 0x1023 || command == 0x1024) && is_empty) return true;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const NoDescriptorIsLeft none_is_left;
  const NoAlarm no_alarm;
  Input input(data, size);
  const uint8_t how = input.Byte();
  const bool is_tls = (how & kTls) != 0;
  Listener listener = Listen("127.0.0.1", 0);
  const uint16_t port = listener.port;
  PageRelay relay(std::move(listener),
                  is_tls ? PageRelay::Protocol::kTls : PageRelay::Protocol::kPlain);
  UniqueFd criu = std::move(relay.criu_end());
  UniqueFd client = Connect(port);
  ForgetAtClose(criu.get());
  Said of_client;
  Said of_criu;
  // The relay takes for its client who has said something.
  Say(client.get(), Bytes(reinterpret_cast<const uint8_t*>("GET"), 3), &of_client);
  while (!input.empty()) {
    const bool is_client = (input.Byte() & 1U) != 0;
    Say(is_client ? client.get() : criu.get(), input.Chunk(), is_client ? &of_client : &of_criu);
  }
  if ((how & kIsBroken) != 0) relay.Break();
  shutdown(client.get(), SHUT_WR);
  Said heard;
  const int end = Hear(criu.get(), &heard);
  const bool is_orderly = is_tls || IsDone(of_client);
  if ((how & kIsBroken) == 0) {
    Expect(end == (is_orderly ? 0 : ECONNRESET), "criu is told whether its client was done");
    Expect(!is_orderly || heard == of_client, "criu hears all that its client has said");
  } else {
    Expect(end == ECONNRESET || end == 0, "criu is told that it is over");
  }
  Expect(
      heard.size() <= of_client.size() && std::equal(heard.begin(), heard.end(), of_client.begin()),
      "criu hears nothing else");
  criu.Reset();
  Said pages;
  Hear(client.get(), &pages);
  Expect(pages.size() <= of_criu.size() && std::equal(pages.begin(), pages.end(), of_criu.begin()),
         "the client gets nothing else");
  relay.Finish([] { return false; });
  ForgetAtClose(client.get());
  return 0;
}
