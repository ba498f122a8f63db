#pragma once

#include <array>
#include <memory>
#include <new>

namespace criu_node {

// One T per process, made at first use and never destroyed: threads of ours may still be running
// while the process ends, after static destructors. No environment owns it.
template <typename T>
T& ProcessGlobal() {
  alignas(T) static std::array<unsigned char, sizeof(T)> storage;
  static T* const instance = std::construct_at(reinterpret_cast<T*>(storage.data()));
  return *instance;
}

}  // namespace criu_node
