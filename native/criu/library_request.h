#pragma once

#include <functional>

#include "criu/criu_options.h"
#include "criu/wire.h"

namespace criu_node {

// Has libcriu make the request of some options, and gives it as criu is to get it.
//
// libcriu sends its request over a socket, and waits there for the answer. That lies in the socket
// before libcriu is called, so that the call waits for nobody and needs no thread of its own. It
// says that the request is refused as such: libcriu looks no further into it, and none of its error
// paths runs (they print, and wait for children that are not theirs). What criu says is read by
// Channel.
//
// `call` calls one of libcriu's functions with what it gets. Throws Failure (stage "request").
wire::Bytes MakeRequest(const LibCriu& library, const CriuOptions& options,
                        const std::function<void(criu_opts*)>& call);

// Makes any request one for the features that CRIU has here: of what comes twice in a message, what
// comes last counts. It is for a libcriu that cannot ask for them.
void AppendFeatureCheck(wire::Bytes* request);

}  // namespace criu_node
