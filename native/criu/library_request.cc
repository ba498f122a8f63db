#include "criu/library_request.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "base/failure.h"
#include "base/unique_fd.h"
#include "criu/rpc.h"

namespace criu_node {

namespace {

// A request is a few hundred bytes long; a socket takes no more than this of us.
constexpr ssize_t kMaxRequest = 128L * 1024;

// Puts the answer into the socket. Behind it comes its end, so that libcriu never waits for more.
void AnswerAhead(const UniqueFd& socket) {
  wire::Bytes refusal;
  wire::AppendInt(&refusal, rpc::criu_resp::kType, rpc::criu_req_type::kEmpty);
  wire::AppendInt(&refusal, rpc::criu_resp::kSuccess, 0);
  if (send(socket.get(), refusal.data(), refusal.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ||
      shutdown(socket.get(), SHUT_WR) != 0) {
    throw Failure::System("request", "cannot write to a socket");
  }
}

// What waits in the socket. ECONNRESET is told once, ahead of it: libcriu has not read the answer.
ssize_t Receive(const UniqueFd& socket, wire::Bytes* message, int flags) {
  ssize_t length = 0;
  do {
    length = recv(socket.get(), message->data(), message->size(), flags | MSG_DONTWAIT);
  } while (length < 0 && (errno == EINTR || errno == ECONNRESET));
  return length;
}

}  // namespace

wire::Bytes MakeRequest(const LibCriu& library, const CriuOptions& options,
                        const std::function<void(criu_opts*)>& call) {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw Failure::System("request", "cannot make a socket pair");
  }
  const UniqueFd ours(ends[0]);
  UniqueFd theirs(ends[1]);
  AnswerAhead(ours);
  // libcriu closes its end itself.
  library.set_service_fd(options.get(), theirs.Release());
  call(options.get());
  wire::Bytes request;
  const ssize_t length = Receive(ours, &request, MSG_PEEK | MSG_TRUNC);
  if (length <= 0) throw Failure("request", 0, "libcriu sent no request");
  if (length > kMaxRequest) throw Failure("request", EMSGSIZE, "the request is too long");
  request.resize(static_cast<size_t>(length));
  if (Receive(ours, &request, 0) != length) {
    throw Failure::System("request", "cannot read libcriu's request");
  }
  if (!options.extra().empty()) {
    wire::AppendBytes(&request, rpc::criu_req::kOpts, options.extra());
  }
  return request;
}

void AppendFeatureCheck(wire::Bytes* request) {
  wire::Bytes asked;
  for (const uint32_t feature : {rpc::criu_features::kMemTrack, rpc::criu_features::kLazyPages,
                                 rpc::criu_features::kPidfdStore}) {
    wire::AppendInt(&asked, feature, 1);
  }
  wire::AppendInt(request, rpc::criu_req::kType, rpc::criu_req_type::kFeatureCheck);
  wire::AppendBytes(request, rpc::criu_req::kFeatures, asked);
}

}  // namespace criu_node
