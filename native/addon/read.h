#pragma once

#include <napi.h>

#include <string>
#include <vector>

namespace criu_node {

// Typed access to the plain objects that lib/native/contract.ts hands over. The public validation
// has happened there; these throw for a mistake of our own.
template <typename T>
T ReadValue(const Napi::Value& value, const char* name);

inline Napi::TypeError Mistyped(Napi::Env env, const char* name, const char* expected) {
  return Napi::TypeError::New(env, std::string("native request: ") + name + " must be " + expected);
}

template <>
inline std::string ReadValue<std::string>(const Napi::Value& value, const char* name) {
  if (!value.IsString()) throw Mistyped(value.Env(), name, "a string");
  return value.As<Napi::String>().Utf8Value();
}

template <>
inline bool ReadValue<bool>(const Napi::Value& value, const char* name) {
  if (!value.IsBoolean()) throw Mistyped(value.Env(), name, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

template <>
inline int64_t ReadValue<int64_t>(const Napi::Value& value, const char* name) {
  if (!value.IsNumber()) throw Mistyped(value.Env(), name, "a number");
  return value.As<Napi::Number>().Int64Value();
}

template <>
inline Napi::Object ReadValue<Napi::Object>(const Napi::Value& value, const char* name) {
  if (!value.IsObject()) throw Mistyped(value.Env(), name, "an object");
  return value.As<Napi::Object>();
}

template <>
inline Napi::Array ReadValue<Napi::Array>(const Napi::Value& value, const char* name) {
  if (!value.IsArray()) throw Mistyped(value.Env(), name, "an array");
  return value.As<Napi::Array>();
}

template <>
inline std::vector<std::string> ReadValue<std::vector<std::string>>(const Napi::Value& value,
                                                                    const char* name) {
  const auto array = ReadValue<Napi::Array>(value, name);
  std::vector<std::string> strings;
  strings.reserve(array.Length());
  for (uint32_t i = 0; i < array.Length(); ++i) {
    strings.push_back(ReadValue<std::string>(array.Get(i), name));
  }
  return strings;
}

inline std::string ReadBytes(const Napi::Value& value, const char* name) {
  if (!value.IsBuffer()) throw Mistyped(value.Env(), name, "a buffer");
  const auto bytes = value.As<Napi::Buffer<char>>();
  return {bytes.Data(), bytes.Length()};
}

// Empty when it is not given.
inline Napi::FunctionReference ReadFunction(const Napi::Value& value, const char* name) {
  if (value.IsUndefined()) return {};
  if (!value.IsFunction()) throw Mistyped(value.Env(), name, "a function");
  return Napi::Persistent(value.As<Napi::Function>());
}

template <typename T>
T Read(const Napi::Object& object, const char* name) {
  return ReadValue<T>(object.Get(name), name);
}

// For a member that may be absent.
template <typename T>
T Read(const Napi::Object& object, const char* name, T fallback) {
  const Napi::Value value = object.Get(name);
  return value.IsUndefined() ? std::move(fallback) : ReadValue<T>(value, name);
}

}  // namespace criu_node
