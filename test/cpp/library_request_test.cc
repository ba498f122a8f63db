#include "criu/library_request.h"

#include <cerrno>
#include <functional>
#include <optional>
#include <vector>

#include "base/failure.h"
#include "criu/libcriu.h"
#include "criu/rpc.h"
#include "test.h"

namespace criu_node::test {

namespace {

using wire::Bytes;

// What false_libcriu.cc sends.
const Bytes kRequest{8, 1};

std::shared_ptr<const LibCriu> Library() { return LibCriu::Load(FALSE_LIBCRIU); }

Bytes RequestOf(const std::function<void(criu_opts*)>& call,
                const std::vector<Option>& options = {}) {
  const auto library = Library();
  return MakeRequest(*library, CriuOptions(library, options, false), call);
}

std::optional<Failure> FailureOf(const std::function<void(criu_opts*)>& call) {
  return Attempt("test", [&] { RequestOf(call); });
}

void TakeTheRequest() {
  int result = -1;
  const Bytes request = RequestOf([&](criu_opts* opts) { result = Library()->dump(opts); });
  Expect(request == kRequest, "the request is what libcriu has sent");
  Expect(result == 0, "libcriu is told of a refusal");
}

void AppendWhatLibcriuCannotSet() {
  Bytes inner;
  wire::AppendInt(&inner, FindOption("rst_sibling")->field, 1);
  Bytes expected = kRequest;
  wire::AppendBytes(&expected, rpc::criu_req::kOpts, inner);
  const Bytes request = RequestOf([](criu_opts* opts) { Library()->dump(opts); },
                                  {{FindOption("rst_sibling"), true}});
  Expect(request == expected, "the option stands behind the request");
}

void AskForFeaturesWithoutLibcriu() {
  Bytes request = kRequest;
  AppendFeatureCheck(&request);
  Expect(request == Bytes{8, 1, 8, 9, 42, 6, 8, 1, 16, 1, 24, 1}, "the type and what is asked for");
}

void NeverLetLibcriuWait() {
  int length = -1;
  const Bytes request = RequestOf([&](criu_opts* opts) { length = Library()->pre_dump(opts); });
  Expect(length == 0, "there is nothing behind the answer but the end");
  Expect(request == kRequest, "the request is there all the same");
}

void TakeTheRequestOfOneThatReadsNoAnswer() {
  const Bytes request = RequestOf([](criu_opts* opts) { Library()->restore(opts); });
  Expect(request == kRequest, "the request is there all the same");
}

void RefuseNoRequest() {
  for (const auto& call : std::vector<std::function<void(criu_opts*)>>{
           [](criu_opts* opts) { Library()->check(opts); },
           [](criu_opts* opts) { Library()->feature_check(opts, nullptr, 0); }}) {
    const auto failure = FailureOf(call);
    Expect(failure && failure->stage() == "request", "it fails at the request");
  }
}

void RefuseALongRequest() {
  const auto failure = FailureOf([](criu_opts* opts) { Library()->get_version(opts); });
  Expect(failure && failure->error_number() == EMSGSIZE, "it is too long");
}

}  // namespace

}  // namespace criu_node::test

int main() {
  using namespace criu_node::test;
  return RunAll({
      {"libcriu's request is taken, and refused", TakeTheRequest},
      {"what libcriu cannot set is added", AppendWhatLibcriuCannotSet},
      {"features are asked for where libcriu cannot", AskForFeaturesWithoutLibcriu},
      {"a libcriu that waits for more is not kept waiting", NeverLetLibcriuWait},
      {"a libcriu need not read its answer", TakeTheRequestOfOneThatReadsNoAnswer},
      {"a libcriu that asks nothing is a failure", RefuseNoRequest},
      {"a request that is too long is a failure", RefuseALongRequest},
  });
}
