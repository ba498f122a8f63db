#include "addon/write_outcome.h"

#include <utility>

namespace criu_node {

namespace {

// Sets a member, unless it is what JavaScript takes it for where it is missing: false, 0 or empty.
// Each member takes about a microsecond.
template <typename Value>
void Tell(Napi::Object object, const char* name, const Value& value) {
  if (value != Value{}) object[name] = value;
}

// Milliseconds, when it came to that.
void TellTime(Napi::Object object, const char* name, double value) {
  if (value >= 0) object[name] = value;
}

void Describe(Napi::Object target, const Failure& failure) {
  target["stage"] = failure.stage();
  target["errno"] = failure.error_number();
}

Napi::Object WriteFailure(Napi::Env env, const Failure& failure) {
  auto object = Napi::Object::New(env);
  Describe(object, failure);
  object["message"] = failure.message();
  return object;
}

Napi::Object WriteVersion(Napi::Env env, const CriuVersion& version) {
  auto object = Napi::Object::New(env);
  object["major"] = version.major;
  object["minor"] = version.minor;
  object["sublevel"] = version.sublevel;
  object["gitId"] = version.git_id;
  object["name"] = version.name;
  return object;
}

Napi::Object WriteFeatures(Napi::Env env, const CriuFeatures& features) {
  auto object = Napi::Object::New(env);
  object["memTrack"] = features.mem_track;
  object["lazyPages"] = features.lazy_pages;
  object["pidfdStore"] = features.pidfd_store;
  return object;
}

Napi::Array WriteEvents(Napi::Env env, const std::vector<Event>& events) {
  auto array = Napi::Array::New(env, events.size());
  for (uint32_t i = 0; i < events.size(); ++i) {
    auto object = Napi::Object::New(env);
    object["name"] = events[i].name;
    object["at"] = events[i].at;
    object["pid"] = events[i].pid;
    object["answered"] = events[i].answered;
    array[i] = object;
  }
  return array;
}

Napi::Object WriteTimeline(Napi::Env env, const Timeline& timeline) {
  auto object = Napi::Object::New(env);
  TellTime(object, "workerReady", timeline.worker_ready);
  TellTime(object, "freezing", timeline.freezing);
  TellTime(object, "frozen", timeline.frozen);
  TellTime(object, "sent", timeline.sent);
  TellTime(object, "replied", timeline.replied);
  TellTime(object, "thawed", timeline.thawed);
  return object;
}

Napi::Object WriteDumpLog(Napi::Env env, const DumpLog& log) {
  auto object = Napi::Object::New(env);
  TellTime(object, "lock", log.lock);
  TellTime(object, "tasks", log.tasks);
  TellTime(object, "mounts", log.mounts);
  TellTime(object, "fileLocks", log.file_locks);
  TellTime(object, "namespaces", log.namespaces);
  TellTime(object, "namespacesDone", log.namespaces_done);
  TellTime(object, "unlock", log.unlock);
  TellTime(object, "resume", log.resume);
  TellTime(object, "done", log.done);
  TellTime(object, "taskCgroups", log.task_cgroups);
  TellTime(object, "otherCgroups", log.other_cgroups);
  return object;
}

}  // namespace

Napi::Error ToError(Napi::Env env, const Failure& failure) {
  // Of a C string, as it takes memory to say why there is none otherwise.
  auto error = Napi::Error::New(env, failure.what());
  Describe(error.Value(), failure);
  return error;
}

Napi::Object WriteServeOutcome(Napi::Env env, const ServeOutcome& outcome) {
  auto object = Napi::Object::New(env);
  object["stopped"] = outcome.stopped;
  object["started"] = outcome.started;
  object["exitCode"] = outcome.exit.code;
  object["exitSignal"] = outcome.exit.signal;
  object["printed"] = outcome.printed;
  if (outcome.failure) object["failure"] = WriteFailure(env, *outcome.failure);
  return object;
}

Napi::Object WriteOutcome(Napi::Env env, const Outcome& outcome) {
  auto object = Napi::Object::New(env);
  Tell(object, "success", outcome.success);
  if (outcome.images) object["imagesFd"] = outcome.images->get();
  Tell(object, "isComplete", outcome.is_complete);
  Tell(object, "isInPlace", outcome.is_in_place);
  Tell(object, "imagesBytes", static_cast<double>(outcome.size.bytes));
  Tell(object, "imagesFiles", static_cast<double>(outcome.size.files));
  Tell(object, "cancelled", outcome.cancelled);
  Tell(object, "killed", outcome.killed);
  Tell(object, "left", outcome.left);
  Tell(object, "froze", outcome.froze);
  Tell(object, "warning", outcome.warning);
  if (!outcome.stats.empty()) {
    object["stats"] = Napi::Buffer<char>::Copy(env, outcome.stats.data(), outcome.stats.size());
  }
  Tell(object, "stage", outcome.stage);
  Tell(object, "replied", outcome.reply.received);
  Tell(object, "restored", outcome.reply.restored);
  Tell(object, "pid", outcome.reply.pid);
  Tell(object, "errno", outcome.reply.cr_errno);
  Tell(object, "message", outcome.reply.cr_errmsg);
  Tell(object, "exitCode", outcome.exit.code);
  Tell(object, "exitSignal", outcome.exit.signal);
  Tell(object, "printed", outcome.printed);
  if (outcome.failure) object["failure"] = WriteFailure(env, *outcome.failure);
  if (const auto& version = outcome.reply.version) object["version"] = WriteVersion(env, *version);
  if (const auto& features = outcome.reply.features) {
    object["features"] = WriteFeatures(env, *features);
  }
  if (!outcome.events.empty()) object["events"] = WriteEvents(env, outcome.events);
  if (outcome.log) object["log"] = WriteDumpLog(env, *outcome.log);
  object["timeline"] = WriteTimeline(env, outcome.timeline);
  return object;
}

Napi::Value WriteStandby(Napi::Env env, std::shared_ptr<Standby> standby) {
  const auto discard = [](Napi::Env /*env*/, std::shared_ptr<Standby>* kept) {
    const std::unique_ptr<std::shared_ptr<Standby>> owner(kept);
    (*kept)->Close();
  };
  auto kept = std::make_unique<std::shared_ptr<Standby>>(std::move(standby));
  const auto value = Napi::External<std::shared_ptr<Standby>>::New(env, kept.get(), discard);
  static_cast<void>(kept.release());
  return value;
}

}  // namespace criu_node
