#include "serve/page_relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "linux/listener.h"
#include "test.h"

namespace criu_node::test {

namespace {

using Bytes = std::vector<char>;

constexpr size_t kTransfer = 8UL * 1024 * 1024;

// PS_IOV_CLOSE of CRIU, as its records begin.
constexpr uint32_t kClose = 0x1023;
constexpr size_t kRecord = 32;

Bytes Pattern(size_t length, unsigned seed) {
  Bytes bytes(length);
  for (char& byte : bytes) {
    seed = seed * 1664525U + 1013904223U;
    byte = static_cast<char>(seed >> 24U);
  }
  return bytes;
}

Bytes ClosingRecord() {
  Bytes record(kRecord, 0);
  std::memcpy(record.data(), &kClose, sizeof(kClose));
  return record;
}

UniqueFd Connect(uint16_t port) {
  UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_port = htons(port);
  inet_pton(AF_INET, "127.0.0.1", &place.sin_addr);
  const auto* address = reinterpret_cast<const sockaddr*>(&place);
  Expect(connect(client.get(), address, sizeof(place)) == 0, "the relay takes a client");
  return client;
}

// False when the other end has gone.
bool SendAll(int socket, const Bytes& bytes) {
  for (size_t sent = 0; sent < bytes.size();) {
    const ssize_t length = send(socket, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (length <= 0) return false;
    sent += static_cast<size_t>(length);
  }
  return true;
}

struct Heard {
  Bytes bytes;
  int error = 0;  // what ended it; 0 for an orderly end
};

Heard HearAll(int socket) {
  Heard heard;
  std::array<char, 65536> buffer{};
  for (;;) {
    const ssize_t length = recv(socket, buffer.data(), buffer.size(), 0);
    if (length == 0) return heard;
    if (length < 0) {
      heard.error = errno;
      return heard;
    }
    heard.bytes.insert(heard.bytes.end(), buffer.data(), buffer.data() + length);
  }
}

// The relay, its client, and criu's end of it.
struct Connection {
  explicit Connection(PageRelay::Protocol protocol = PageRelay::Protocol::kPlain)
      : Connection(Listen("127.0.0.1", 0), protocol) {}
  Connection(Listener listener, PageRelay::Protocol protocol)
      : port(listener.port),
        relay(std::move(listener), protocol),
        criu(UniqueFd::Duplicate(relay.criu_end().get())),
        client(Connect(port)) {
    relay.criu_end().Reset();
  }
  uint16_t port;
  PageRelay relay;
  UniqueFd criu;
  UniqueFd client;
};

void HandOnBothDirections() {
  Connection connection;
  const Bytes asked = Pattern(4096, 1);
  const Bytes pages = Pattern(kTransfer, 2);
  Expect(SendAll(connection.client.get(), asked), "the client can ask");
  std::thread criu([&] {
    SendAll(connection.criu.get(), pages);
    shutdown(connection.criu.get(), SHUT_WR);
  });
  const Heard heard = HearAll(connection.client.get());
  criu.join();
  connection.relay.Finish([] { return false; });
  const Heard question = HearAll(connection.criu.get());
  Expect(heard.error == 0 && heard.bytes == pages, "the client gets all pages as they were");
  Expect(question.bytes == asked, "criu gets all questions as they were");
}

// How criu sees the end of a client that has said this last.
int EndSeenByCriu(const Bytes& last, PageRelay::Protocol protocol) {
  Connection connection(protocol);
  Expect(SendAll(connection.client.get(), last), "the client can speak");
  connection.client.Reset();
  connection.relay.Finish([] { return false; });
  return HearAll(connection.criu.get()).error;
}

void TellADoneClientFromALostOne() {
  using enum PageRelay::Protocol;
  Expect(EndSeenByCriu(Pattern(100, 3), kPlain) == ECONNRESET, "a lost client is an error");
  Expect(EndSeenByCriu(ClosingRecord(), kPlain) == 0, "a client that is done is none");
  Expect(EndSeenByCriu(Pattern(100, 3), kTls) == 0, "TLS tells by itself");
}

void BreakAtAnyMoment() {
  for (int round = 0; round < 40; ++round) {
    Connection connection;
    std::thread client([&] {
      const Bytes bytes = Pattern(4096, 4);
      while (SendAll(connection.client.get(), bytes)) {
      }
    });
    std::thread criu([&] { HearAll(connection.criu.get()); });
    std::this_thread::sleep_for(std::chrono::microseconds(50 * round));
    connection.relay.Break();
    connection.relay.Finish([] { return false; });
    criu.join();
    // The relay has closed its end, and the client finds that out by itself.
    client.join();
  }
}

void BreakFromManyThreads() {
  for (int round = 0; round < 20; ++round) {
    Connection connection;
    Expect(SendAll(connection.client.get(), Pattern(10, 5)), "the client can speak");
    std::vector<std::thread> breakers;
    breakers.reserve(4);
    for (int i = 0; i < 4; ++i) breakers.emplace_back([&] { connection.relay.Break(); });
    for (std::thread& breaker : breakers) breaker.join();
    connection.relay.Finish([] { return false; });
    Expect(HearAll(connection.criu.get()).error == ECONNRESET, "criu sees that it is broken off");
  }
}

void EndWithoutAClient() {
  for (int round = 0; round < 20; ++round) {
    PageRelay relay(Listen("127.0.0.1", 0), PageRelay::Protocol::kPlain);
  }
}

}  // namespace

}  // namespace criu_node::test

int main() {
  using namespace criu_node::test;
  return RunAll({
      {"both directions are handed on as they are", HandOnBothDirections},
      {"a client that is done is told from one that is lost", TellADoneClientFromALostOne},
      {"it is broken off at any moment", BreakAtAnyMoment},
      {"it may be broken off by many threads", BreakFromManyThreads},
      {"it ends without a client", EndWithoutAClient},
  });
}
