#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace criu_node {

// What two processes can share, by the kernel's numbers of it (KCMP_VM and so on).
enum class Shared { kMemory = 1, kDescriptors = 2, kDirectories = 3, kSignalHandlers = 4 };

// Negative, 0 or positive as one comes before, shares it with, or comes after the other in an order
// that holds until the next boot. Nothing where the kernel does not tell.
std::optional<int> Compare(Shared what, pid_t first, pid_t second);

// The kernel's name for the protocol of a socket that a process has open: "TCP", "AF_VSOCK".
// Nothing for what is no socket, or may not be looked at.
std::optional<std::string> SocketProtocol(pid_t pid, int fd);

// Whether a socket that a process has open adds something of its own to what is received: who has
// sent it (SO_PASSCRED), or when it came (SO_TIMESTAMP). Nothing for what is no socket, or may not
// be looked at. Nothing is done to the socket, of which the kernel (5.6 and newer) lends us a copy.
std::optional<bool> PassesControl(pid_t pid, int fd);

// The seals (F_SEAL_WRITE and so on) of the file that a link of /proc leads to. Nothing for a file
// that has none, or may not be opened.
std::optional<int> FileSeals(const std::string& link);

}  // namespace criu_node
