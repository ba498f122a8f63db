#pragma once

namespace criu_node {

// How a lock is shared.
enum class LockMode { kShared, kExclusive };

// Takes the advisory lock (flock) of an open file or directory, without waiting for it. The lock
// belongs to the open file description, so that it excludes other threads as well as other
// processes, and the kernel gives it back when the descriptor is closed or its process dies. A lock
// that is held already changes its mode.
//
// Returns false when somebody else has it; throws Failure when the file cannot be locked at all.
bool TryLock(int fd, LockMode mode);

// Gives the lock back at once. Closing the descriptor does so only when no copy of it is left, in
// this process or in a child.
void Unlock(int fd) noexcept;

}  // namespace criu_node
