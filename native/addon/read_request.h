#pragma once

#include <napi.h>

#include <memory>

#include "linux/fresh_directory.h"
#include "operation/request.h"
#include "operation/standby.h"
#include "serve/server.h"

namespace criu_node {

// Phase one of an operation: everything comes out of JavaScript, and descriptors are duplicated.
// Throws Napi::Error for a mistyped member, Failure when libcriu cannot be loaded or a descriptor
// is closed.
Request ReadRequest(const Napi::Object& object);

// The members of a request that say which criu is used.
WorkerSettings ReadWorkerSettings(const Napi::Object& object);

// What WriteStandby() has made.
std::shared_ptr<Standby> ReadStandby(const Napi::Value& value);

// A directory that is to be made.
FreshDirectory ReadFreshDirectory(const Napi::Object& object);

// The request for a criu that serves. Where it is to listen is listened on here. Throws as
// ReadRequest() does.
ServeRequest ReadServeRequest(const Napi::Object& object);

}  // namespace criu_node
