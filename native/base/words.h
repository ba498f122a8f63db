#pragma once

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

// Words of a text. There is nothing here that needs the C++ library when it runs: criu gets it
// preloaded.
namespace criu_node::words {

// Takes the next word off a text; empty at its end. `spaces` are what stands between words.
constexpr std::string_view Take(std::string_view* text, std::string_view spaces = " \t\n") {
  text->remove_prefix(std::min(text->find_first_not_of(spaces), text->size()));
  const std::string_view word = text->substr(0, text->find_first_of(spaces));
  text->remove_prefix(word.size());
  return word;
}

// A word that is a number as a whole.
template <typename T>
std::optional<T> Number(std::string_view word, int base = 10) {
  T value{};
  const char* const end = word.data() + word.size();
  const auto [last, error] = std::from_chars(word.data(), end, value, base);
  if (word.empty() || error != std::errc() || last != end) return std::nullopt;
  return value;
}

}  // namespace criu_node::words
