#pragma once

#include <napi.h>

#include <memory>

#include "base/failure.h"
#include "operation/outcome.h"
#include "operation/standby.h"
#include "serve/server.h"

namespace criu_node {

// What the addon throws for a failure: an Error with the members `stage` and `errno`.
Napi::Error ToError(Napi::Env env, const Failure& failure);

// What lib/native/contract.ts declares as NativeOutcome.
Napi::Object WriteOutcome(Napi::Env env, const Outcome& outcome);

// What lib/native/contract.ts declares as NativeServeOutcome.
Napi::Object WriteServeOutcome(Napi::Env env, const ServeOutcome& outcome);

// What lib/native/contract.ts declares as NativeStandby. It is closed when it is garbage.
Napi::Value WriteStandby(Napi::Env env, std::shared_ptr<Standby> standby);

}  // namespace criu_node
