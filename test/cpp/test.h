#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <initializer_list>
#include <source_location>
#include <stdexcept>
#include <string>
#include <thread>

// What a test program consists of: one for each class, as each of them has the process to itself.
namespace criu_node::test {

struct Test {
  const char* name;
  void (*body)();
};

// Throws when it does not hold, with the place of the call.
inline void Expect(bool holds, const char* what,
                   const std::source_location place = std::source_location::current()) {
  if (holds) return;
  throw std::runtime_error(std::string(place.file_name()) + ":" + std::to_string(place.line()) +
                           ": expected that " + what);
}

// Runs the tests one after the other. A program that hangs is ended by whoever has started it.
inline int RunAll(std::initializer_list<Test> tests) {
  int failed = 0;
  for (const Test& test : tests) {
    const auto start = std::chrono::steady_clock::now();
    std::string why;
    try {
      test.body();
    } catch (const std::exception& error) {
      why = error.what();
      ++failed;
    }
    const auto took = std::chrono::steady_clock::now() - start;
    std::printf(
        "%s %s (%lld ms)%s%s\n", why.empty() ? "passed" : "FAILED", test.name,
        static_cast<long long>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()),
        why.empty() ? "" : ": ", why.c_str());
    std::fflush(stdout);
  }
  return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace criu_node::test
