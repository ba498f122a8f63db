#include "addon/read_request.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
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

// The page server of a request: one pair of address and port.
Endpoint ReadEndpoint(const Napi::Value& value, const char* name) {
  const auto pairs = ReadPairs(value, name);
  if (pairs.size() != 1) throw Mistyped(value.Env(), name, "one pair of address and port");
  const auto& [address, port] = pairs.front();
  Endpoint endpoint{.address = address};
  const char* end = port.data() + port.size();
  const auto [rest, error] = std::from_chars(port.data(), end, endpoint.port);
  if (error != std::errc() || rest != end) throw Mistyped(value.Env(), name, "a pair with a port");
  return endpoint;
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
      return ReadPairs(value, name);
    case OptionKind::kAddress:
      return ReadEndpoint(value, name);
    case OptionKind::kDescriptors:
      return ReadDescriptors(value, name);
  }
  throw Mistyped(value.Env(), name, "an option");
}

// CRIU takes this for no directory: it is given by path then.
constexpr int64_t kNoDirectory = -1;

// A copy of a descriptor of JavaScript's, which may close its own at any time.
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

// A criu in a pid namespace of its own finds nothing of ours in its /proc. It opens the descriptors
// from those of the first process in there, which gets copies of them.
void HandToInit(Request* request) {
  CloneSettings& clone = *request->extras.clone;
  for (const Option& option : request->options) {
    if (option.row->kind != OptionKind::kFd) continue;
    const auto fd = std::get<int64_t>(option.value);
    if (fd != kNoDirectory) clone.held.push_back(static_cast<int>(fd));
  }
  const std::string ours = "CRIU_CONFIG_FILE=/proc/" + std::to_string(getpid()) + "/fd/";
  clone.environment = request->worker.environment;
  for (std::string& variable : clone.environment) {
    if (!variable.starts_with(ours)) continue;
    request->held.push_back(Hold(std::stoi(variable.substr(ours.size())), "the configuration"));
    clone.held.push_back(request->held.back().get());
    const int number = request->extras.NumberOfHeld(clone.held.back());
    variable = "CRIU_CONFIG_FILE=/proc/1/fd/" + std::to_string(number);
  }
  // What is preloaded into criu is for dumps, and is not for the first process.
  std::erase_if(clone.environment,
                [](const auto& variable) { return variable.starts_with("LD_PRELOAD="); });
}

CloneSettings ReadClone(const Napi::Object& object, Request* request) {
  CloneSettings clone;
  clone.root = static_cast<pid_t>(Read<int64_t>(object, "root"));
  clone.pid_before = static_cast<pid_t>(Read<int64_t>(object, "pidBefore"));
  clone.hostname = Read<std::string>(object, "hostname", "");
  clone.has_new_network = Read<bool>(object, "hasNewNetwork", false);
  clone.ends_with_parent = Read<bool>(object, "endsWithParent", false);
  const auto hold = [&](int64_t fd, const char* name) {
    request->held.push_back(Hold(fd, name));
    clone.held.push_back(request->held.back().get());
    return clone.held.back();
  };
  const auto network = Read<int64_t>(object, "network", -1);
  if (network >= 0) clone.network = hold(network, "network");
  if (const auto cgroups = object.Get("cgroups"); !cgroups.IsUndefined()) {
    const auto array = ReadValue<Napi::Array>(cgroups, "cgroups");
    for (uint32_t i = 0; i < array.Length(); ++i) {
      clone.cgroups.push_back(hold(ReadValue<int64_t>(array.Get(i), "cgroups"), "cgroups"));
    }
  }
  return clone;
}

FreezerSettings ReadFreezer(const Napi::Object& object) {
  return {.directory = Hold(Read<int64_t>(object, "fd"), "freezer"),
          .path = Read<std::string>(object, "path"),
          .version = static_cast<int>(Read<int64_t>(object, "version")),
          .place = Read<std::string>(object, "place")};
}

}  // namespace

WorkerSettings ReadWorkerSettings(const Napi::Object& object) {
  return {.binary = Read<std::string>(object, "binary"),
          .environment = Read<std::vector<std::string>>(object, "environment"),
          .service = Read<std::string>(object, "service", "")};
}

std::shared_ptr<Standby> ReadStandby(const Napi::Value& value) {
  if (!value.IsExternal()) throw Mistyped(value.Env(), "standby", "what createStandby() returned");
  return *value.As<Napi::External<std::shared_ptr<Standby>>>().Data();
}

Request ReadRequest(const Napi::Object& object) {
  Request request;
  const auto verb = Read<std::string>(object, "verb");
  const auto* found = std::ranges::find(kVerbs, verb, &decltype(kVerbs)::value_type::first);
  if (found == kVerbs.end()) throw Mistyped(object.Env(), "verb", "a request that CRIU knows");
  request.verb = found->second;
  request.handed_over = UniqueFd(static_cast<int>(Read<int64_t>(object, "handedOver", -1)));
  request.worker = ReadWorkerSettings(object);
  ReadOptions(Read<Napi::Object>(object, "fields"), &request);
  request.extras.is_detached = request.verb == Verb::kDumpSelf;
  if (request.handed_over.valid()) request.extras.inherited.push_back(request.handed_over.get());
  request.extras.joins_session = Read<bool>(object, "joinsSession", false);
  const auto status_fd = Read<int64_t>(object, "statusFd", -1);
  if (status_fd >= 0) request.status_fd = Hold(status_fd, "statusFd");
  for (auto& script : Read<std::vector<std::string>>(object, "asked", {})) {
    request.asked.insert(std::move(script));
  }
  for (auto& script : Read<std::vector<std::string>>(object, "told", {})) {
    request.told.insert(std::move(script));
  }
  if (const auto images = object.Get("images"); !images.IsUndefined()) {
    request.images = ReadFreshDirectory(ReadValue<Napi::Object>(images, "images"));
  }
  if (const auto config = object.Get("config"); !config.IsUndefined()) {
    request.config = ReadBytes(config, "config");
  }
  request.post_dump_file = Read<std::string>(object, "postDumpFile", "");
  request.log = Read<std::string>(object, "log", "");
  if (const auto freezer = object.Get("freezer"); !freezer.IsUndefined()) {
    request.freezer = ReadFreezer(ReadValue<Napi::Object>(freezer, "freezer"));
  }
  if (const auto clone = object.Get("clone"); !clone.IsUndefined()) {
    request.extras.clone = ReadClone(ReadValue<Napi::Object>(clone, "clone"), &request);
    HandToInit(&request);
  }
  request.skips_needless_lock = Read<bool>(object, "skipsNeedlessLock", false);
  request.is_last = Read<bool>(object, "isLast", false);
  request.goes_on = Read<bool>(object, "goesOn", false);
  const auto standby = object.Get("standby");
  request.standby = standby.IsUndefined() ? Standby::Make(0) : ReadStandby(standby);
  request.library = LibCriu::Load(Read<std::string>(object, "library"));
  return request;
}

FreshDirectory ReadFreshDirectory(const Napi::Object& object) {
  return {.path = Read<std::string>(object, "path"),
          .files = ReadPairs(Read<Napi::Array>(object, "files"), "files"),
          .notes = ReadPairs(Read<Napi::Array>(object, "notes"), "notes")};
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

}  // namespace criu_node
