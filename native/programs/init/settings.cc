#include "programs/init/settings.h"

#include <string_view>

#include "base/words.h"

namespace criu_node::init {

namespace {

bool ReadNumber(std::string_view text, int* number) {
  const auto found = words::Number<int>(text);
  if (found) *number = *found;
  return found.has_value();
}

bool ParseWord(const char* word, Settings* settings) {
  const std::string_view text(word);
  const size_t name_end = text.find('=');
  if (name_end == std::string_view::npos) return false;
  const std::string_view name = text.substr(0, name_end);
  const char* const value = word + name_end + 1;
  if (name == "before") {
    settings->before = value;
    return true;
  }
  if (name == "hostname") {
    settings->hostname = value;
    return true;
  }
  if (name == "ends_with_parent") {
    settings->ends_with_parent = true;
    return true;
  }
  if (name == "cgroup") {
    return settings->cgroup_count < Settings::kMostCgroups &&
           ReadNumber(value, &settings->cgroups.at(settings->cgroup_count++));
  }
  if (name == "network") return ReadNumber(value, &settings->network);
  if (name == "root") return ReadNumber(value, &settings->root);
  if (name == "descriptors") return ReadNumber(value, &settings->descriptors);
  if (name == "inherited") return ReadNumber(value, &settings->inherited);
  return false;
}

}  // namespace

bool Parse(int argc, char** argv, Settings* settings) {
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--") {
      settings->criu = argv + i + 1;
      return i + 1 < argc;
    }
    if (!ParseWord(argv[i], settings)) return false;
  }
  return false;
}

}  // namespace criu_node::init
