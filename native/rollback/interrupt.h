#pragma once

#include <sys/types.h>

namespace criu_node {

// Ways to have criu give a dump up between two notifications, where it cannot be refused anything.
// Both make it fail by itself, so that it rolls back: it takes its code out of the tasks and lets
// them go. A signal that ends it leaves that code in them (docs/abort.md has the measurements).
// `criu` is a child that has not been reaped, or a process that a pidfd says is alive. None of
// these throws: they are a help, and without memory they do less, or nothing.

// From here on every write to a file fails, for it and for what it has started (tar). Does nothing
// to a process that does not ignore SIGXFSZ, which would end it.
void FailWrites(pid_t criu) noexcept;

// The same for a pre-dump, which a child of criu does without any notification: from when it is
// about to freeze the tasks.
void FailWritesOfPreDump(pid_t criu) noexcept;

// Lets criu, and what it has started, go on where a signal has stopped them. Not for a restore, in
// which criu has started the tasks.
void ContinueFamily(pid_t criu) noexcept;

// Whether criu runs or waits for a disk, and so may be about to end what it does.
bool IsAtWork(pid_t criu) noexcept;

// Cuts criu's freezing of tasks short, as its own timeout does. Does nothing when it has no handler
// for that, before it freezes anything.
void EndFreezing(pid_t criu) noexcept;

// Cuts criu's wait for a page server short, when it sits in one: with the same signal, or with
// SIGTERM where it connects, which it does before it touches any task. To be called once, as CRIU
// then wakes itself up every second, and crashes after five. False when it does not wait for a page
// server.
bool EndPageServerWait(pid_t criu, bool may_connect) noexcept;

}  // namespace criu_node
