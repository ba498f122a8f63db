#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "base/unique_fd.h"

namespace criu_node {

// nf_tables, asked by netlink: what we want of it is less than a library to be found at run time.

// Opens a socket to the nf_tables of the calling thread's network namespace, to which it goes on to
// belong. Invalid where there is no netlink.
UniqueFd OpenNftables();

// Whether the kernel has nf_tables there, which CRIU's fast network lock needs.
bool HasNftables(const UniqueFd& socket);

// The names of the tables of the family `inet` that begin with `prefix`.
std::set<std::string> ListTables(const UniqueFd& socket, const std::string& prefix);

// Has the kernel tell the socket from now on of tables that are made. There is no harm in it when
// that cannot be had.
void FollowTables(const UniqueFd& socket);

// The tables of the family `inet` that begin with `prefix` and were made since FollowTables(), with
// the netlink address of who has made each: its pid, as a rule. The kernel tells of no more then.
std::map<std::string, uint32_t> FollowedTables(const UniqueFd& socket, const std::string& prefix);

// Deletes a table of the family `inet` with all that is in it.
void DeleteTable(const UniqueFd& socket, const std::string& name);

}  // namespace criu_node
