#pragma once

#include <cerrno>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace criu_node {

// Why an operation could not go on. It is thrown on our own threads and settled as plain data;
// TypeScript turns it into a CriuError.
//
// Owner and thread: those of whoever catches it.
class Failure : public std::exception {
 public:
  Failure(std::string stage, int error_number, std::string message)
      : stage_(std::move(stage)), error_number_(error_number), message_(std::move(message)) {}

  // Makes one for a system call that has just failed.
  static Failure System(std::string stage, std::string message) {
    const int error_number = errno;
    return {std::move(stage), error_number, std::move(message)};
  }

  // What a catch block has caught, whatever it is. Only what is no Failure gets the stage.
  static Failure Caught(std::string_view stage) noexcept {
    try {
      try {
        throw;
      } catch (Failure& failure) {
        return std::move(failure);
      } catch (const std::bad_alloc&) {
        return {std::string(stage), ENOMEM, kOutOfMemory};
      } catch (const std::system_error& error) {
        return {std::string(stage), error.code().value(), error.what()};
      } catch (const std::exception& error) {
        return {std::string(stage), 0, error.what()};
      } catch (...) {
        return {std::string(stage), 0, "unknown"};
      }
    } catch (...) {
      // Both are short enough to need no memory.
      return {"request", ENOMEM, kOutOfMemory};
    }
  }

  [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }
  [[nodiscard]] const std::string& stage() const { return stage_; }
  [[nodiscard]] int error_number() const { return error_number_; }
  [[nodiscard]] const std::string& message() const& { return message_; }
  [[nodiscard]] std::string message() && { return std::move(message_); }

 private:
  static constexpr const char* kOutOfMemory = "out of memory";

  std::string stage_;
  int error_number_;
  std::string message_;
};

// Runs work that may fail, if only for want of memory or of a thread, where nothing must be thrown:
// an exception that leaves a thread, a destructor or a callback ends the whole process. Gives what
// went wrong, to be told or, where something is only undone or tidied up, to be left at that.
template <typename Work>
std::optional<Failure> Attempt(std::string_view stage, Work&& work) noexcept {
  try {
    std::forward<Work>(work)();
    return std::nullopt;
  } catch (...) {
    return Failure::Caught(stage);
  }
}

}  // namespace criu_node
