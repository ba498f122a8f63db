#include "addon/convert.h"

#include <algorithm>
#include <array>
#include <utility>

#include "addon/read.h"

namespace criu_node {

namespace {

constexpr auto kVerbs = std::to_array<std::pair<std::string_view, Verb>>({
    {"check", Verb::kCheck},
    {"version", Verb::kVersion},
    {"features", Verb::kFeatures},
    {"dump", Verb::kDump},
    {"preDump", Verb::kPreDump},
    {"restore", Verb::kRestore},
    {"dumpSelf", Verb::kDumpSelf},
});

std::vector<Pair> ReadPairs(const Napi::Value& value, const char* name) {
  if (!value.IsArray()) throw Mistyped(value.Env(), name, "an array of pairs");
  const auto array = value.As<Napi::Array>();
  std::vector<Pair> pairs;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    auto strings = ReadValue<std::vector<std::string>>(array.Get(i), name);
    if (strings.size() != 2) throw Mistyped(value.Env(), name, "an array of pairs");
    pairs.emplace_back(std::move(strings[0]), std::move(strings[1]));
  }
  return pairs;
}

std::vector<Inherited> ReadDescriptors(const Napi::Value& value, const char* name) {
  if (!value.IsArray()) throw Mistyped(value.Env(), name, "an array of names and descriptors");
  const auto array = value.As<Napi::Array>();
  std::vector<Inherited> descriptors;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const auto element = ReadValue<Napi::Object>(array.Get(i), name);
    descriptors.push_back({.key = ReadValue<std::string>(element.Get(0U), name),
                           .fd = static_cast<int>(ReadValue<int64_t>(element.Get(1U), name))});
  }
  return descriptors;
}

OptionValue ReadOption(const OptionRow& row, const Napi::Value& value, const char* name) {
  switch (row.kind) {
    case OptionKind::kBool:
      return ReadValue<bool>(value, name);
    case OptionKind::kInt:
    case OptionKind::kFd:
      return ReadValue<int64_t>(value, name);
    case OptionKind::kString:
      return ReadValue<std::string>(value, name);
    case OptionKind::kStrings:
      return ReadValue<std::vector<std::string>>(value, name);
    case OptionKind::kPairs:
    case OptionKind::kAddress:
      return ReadPairs(value, name);
    case OptionKind::kDescriptors:
      return ReadDescriptors(value, name);
  }
  throw Mistyped(value.Env(), name, "an option");
}

// What CRIU takes for none: the directory is given by path.
constexpr int64_t kNoDirectory = -1;

UniqueFd Hold(int64_t fd, const std::string& name) {
  UniqueFd copy = UniqueFd::Duplicate(static_cast<int>(fd));
  if (!copy.valid()) throw Failure::System("request", "descriptor of " + name + " is not open");
  return copy;
}

void ReadOptions(const Napi::Object& fields, Request* request) {
  const Napi::Array names = fields.GetPropertyNames();
  for (uint32_t i = 0; i < names.Length(); ++i) {
    const auto name = ReadValue<std::string>(names.Get(i), "option name");
    const OptionRow* row = FindOption(name);
    if (row == nullptr) throw Mistyped(fields.Env(), name.c_str(), "a field that CRIU has");
    Option option{row, ReadOption(*row, fields.Get(name), name.c_str())};
    if (row->kind == OptionKind::kFd && std::get<int64_t>(option.value) != kNoDirectory) {
      UniqueFd copy = Hold(std::get<int64_t>(option.value), name);
      option.value = static_cast<int64_t>(copy.get());
      request->held.push_back(std::move(copy));
    }
    if (row->kind == OptionKind::kDescriptors) {
      int number = Worker::kFirstInherited;
      for (Inherited& inherited : std::get<std::vector<Inherited>>(option.value)) {
        UniqueFd copy = Hold(inherited.fd, name);
        request->extras.inherited.push_back(copy.get());
        request->held.push_back(std::move(copy));
        inherited.fd = number++;
      }
    }
    request->options.push_back(std::move(option));
  }
}

Napi::Object WriteFailure(Napi::Env env, const Failure& failure) {
  auto object = Napi::Object::New(env);
  object["stage"] = failure.stage();
  object["errno"] = failure.error_number();
  object["message"] = failure.message();
  return object;
}

Napi::Value OrUndefined(Napi::Env env, double value) {
  return value < 0 ? env.Undefined() : Napi::Number::New(env, value);
}

}  // namespace

WorkerSettings ReadWorkerSettings(const Napi::Object& object) {
  return {.binary = Read<std::string>(object, "binary"),
          .environment = Read<std::vector<std::string>>(object, "environment"),
          .service = Read<std::string>(object, "service", "")};
}

Request ReadRequest(const Napi::Object& object) {
  Request request;
  const auto verb = Read<std::string>(object, "verb");
  const auto* found = std::ranges::find(kVerbs, verb, &decltype(kVerbs)::value_type::first);
  if (found == kVerbs.end()) throw Mistyped(object.Env(), "verb", "a request that CRIU knows");
  request.verb = found->second;
  request.library = LibCriu::Load(Read<std::string>(object, "library"));
  request.worker = ReadWorkerSettings(object);
  ReadOptions(Read<Napi::Object>(object, "fields"), &request);
  request.extras.is_detached = request.verb == Verb::kDumpSelf;
  request.extras.joins_session = Read<bool>(object, "joinsSession", false);
  const auto status_fd = Read<int64_t>(object, "statusFd", -1);
  if (status_fd >= 0) request.status_fd = Hold(status_fd, "statusFd");
  for (auto& script : Read<std::vector<std::string>>(object, "asked", {})) {
    request.asked.insert(std::move(script));
  }
  for (auto& script : Read<std::vector<std::string>>(object, "told", {})) {
    request.told.insert(std::move(script));
  }
  if (object.Has("images")) {
    request.images = ReadFreshDirectory(Read<Napi::Object>(object, "images"));
  }
  request.config = Read<std::string>(object, "config", "");
  request.post_dump_file = Read<std::string>(object, "postDumpFile", "");
  request.freezer_path = Read<std::string>(object, "freezerPath", "");
  request.goes_on = Read<bool>(object, "goesOn", false);
  request.spares = static_cast<size_t>(Read<int64_t>(object, "spares", 0));
  request.freezer_version = static_cast<int>(Read<int64_t>(object, "freezerVersion", 0));
  return request;
}

FreshDirectory ReadFreshDirectory(const Napi::Object& object) {
  return {.path = Read<std::string>(object, "path"),
          .files = ReadPairs(Read<Napi::Array>(object, "files"), "files")};
}

ServeRequest ReadServeRequest(const Napi::Object& object) {
  ServeRequest request{.program = Read<std::string>(object, "binary"),
                       .arguments = Read<std::vector<std::string>>(object, "arguments"),
                       .environment = Read<std::vector<std::string>>(object, "environment"),
                       .held = {},
                       .listener = {}};
  const auto held = Read<Napi::Array>(object, "held");
  for (uint32_t i = 0; i < held.Length(); ++i) {
    request.held.push_back(Hold(ReadValue<int64_t>(held.Get(i), "held"), "held"));
  }
  const auto address = Read<std::string>(object, "address", "");
  if (!address.empty()) {
    request.listener = Listen(address, static_cast<uint16_t>(Read<int64_t>(object, "port")));
  }
  return request;
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
  object["success"] = outcome.success;
  if (outcome.images) object["imagesFd"] = outcome.images->get();
  object["cancelled"] = outcome.cancelled;
  object["froze"] = outcome.froze;
  object["warning"] = outcome.warning;
  object["stats"] = Napi::Buffer<char>::Copy(env, outcome.stats.data(), outcome.stats.size());
  object["stage"] = outcome.stage;
  object["replied"] = outcome.reply.received;
  object["restored"] = outcome.reply.restored;
  object["pid"] = outcome.reply.pid;
  object["errno"] = outcome.reply.cr_errno;
  object["message"] = outcome.reply.cr_errmsg;
  object["exitCode"] = outcome.exit.code;
  object["exitSignal"] = outcome.exit.signal;
  object["printed"] = outcome.printed;
  if (outcome.failure) object["failure"] = WriteFailure(env, *outcome.failure);
  if (const auto& version = outcome.reply.version) {
    auto value = Napi::Object::New(env);
    value["major"] = version->major;
    value["minor"] = version->minor;
    value["sublevel"] = version->sublevel;
    value["gitId"] = version->git_id;
    value["name"] = version->name;
    object["version"] = value;
  }
  if (const auto& features = outcome.reply.features) {
    auto value = Napi::Object::New(env);
    value["memTrack"] = features->mem_track;
    value["lazyPages"] = features->lazy_pages;
    value["pidfdStore"] = features->pidfd_store;
    object["features"] = value;
  }
  auto events = Napi::Array::New(env, outcome.events.size());
  for (uint32_t i = 0; i < outcome.events.size(); ++i) {
    auto event = Napi::Object::New(env);
    event["name"] = outcome.events[i].name;
    event["at"] = outcome.events[i].at;
    event["pid"] = outcome.events[i].pid;
    events[i] = event;
  }
  object["events"] = events;
  auto timeline = Napi::Object::New(env);
  timeline["workerReady"] = OrUndefined(env, outcome.timeline.worker_ready);
  timeline["freezing"] = OrUndefined(env, outcome.timeline.freezing);
  timeline["frozen"] = OrUndefined(env, outcome.timeline.frozen);
  timeline["sent"] = OrUndefined(env, outcome.timeline.sent);
  timeline["replied"] = OrUndefined(env, outcome.timeline.replied);
  timeline["thawed"] = OrUndefined(env, outcome.timeline.thawed);
  timeline["ended"] = OrUndefined(env, outcome.timeline.ended);
  object["timeline"] = timeline;
  return object;
}

}  // namespace criu_node
