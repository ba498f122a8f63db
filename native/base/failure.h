#pragma once

#include <cerrno>
#include <exception>
#include <string>
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

  [[nodiscard]] const char* what() const noexcept override { return message_.c_str(); }
  [[nodiscard]] const std::string& stage() const { return stage_; }
  [[nodiscard]] int error_number() const { return error_number_; }
  [[nodiscard]] const std::string& message() const { return message_; }

 private:
  std::string stage_;
  int error_number_;
  std::string message_;
};

}  // namespace criu_node
