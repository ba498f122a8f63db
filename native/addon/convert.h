#pragma once

#include <napi.h>

#include "linux/fresh_directory.h"
#include "operation/operation.h"
#include "serve/server.h"

namespace criu_node {

// Phase one of an operation: everything out of JavaScript, descriptors duplicated. Throws
// Napi::Error for a mistyped member, Failure when libcriu cannot be loaded or a descriptor is
// closed.
Request ReadRequest(const Napi::Object& object);

// The members of it that say which criu is used.
WorkerSettings ReadWorkerSettings(const Napi::Object& object);

// A directory that is to be made.
FreshDirectory ReadFreshDirectory(const Napi::Object& object);

// The same for a criu that serves; what it is to listen on is listened on here.
ServeRequest ReadServeRequest(const Napi::Object& object);

// What lib/native/contract.ts declares as NativeServeOutcome.
Napi::Object WriteServeOutcome(Napi::Env env, const ServeOutcome& outcome);

// Phase three: what lib/native/contract.ts declares as NativeOutcome.
Napi::Object WriteOutcome(Napi::Env env, const Outcome& outcome);

}  // namespace criu_node
