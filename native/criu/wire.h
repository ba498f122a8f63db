#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// The two wire types of protobuf that CRIU's messages use. libcriu builds and reads whole messages;
// this only looks into a response and appends fields to a request (protobuf merges concatenated
// messages), for which a code generator would be more code than this page.
namespace criu_node::wire {

using Bytes = std::vector<uint8_t>;

struct Field {
  uint32_t number = 0;
  uint64_t varint = 0;            // wire type 0
  std::span<const uint8_t> data;  // wire type 2

  [[nodiscard]] int32_t AsInt() const { return static_cast<int32_t>(varint); }
  [[nodiscard]] bool AsBool() const { return varint != 0; }
  [[nodiscard]] std::string AsString() const { return {data.begin(), data.end()}; }
};

// Reads a message field by field.
//
// Owner and thread: those of its owner, who keeps the bytes.
class Reader {
 public:
  explicit Reader(std::span<const uint8_t> bytes) : bytes_(bytes) {}

  // The next field, or nothing at the end or when the message is malformed (see malformed()).
  std::optional<Field> Next() {
    if (bytes_.empty() || malformed_) return std::nullopt;
    Field field;
    uint64_t tag = 0;
    if (!Varint(&tag)) return Malformed();
    field.number = static_cast<uint32_t>(tag >> 3U);
    uint64_t length = 0;
    switch (tag & 7U) {
      case 0:
        if (!Varint(&field.varint)) return Malformed();
        return field;
      case 1:
        length = 8;
        break;
      case 2:
        if (!Varint(&length)) return Malformed();
        break;
      case 5:
        length = 4;
        break;
      default:
        return Malformed();
    }
    if (length > bytes_.size()) return Malformed();
    field.data = bytes_.first(length);
    bytes_ = bytes_.subspan(length);
    return field;
  }

  [[nodiscard]] bool malformed() const { return malformed_; }

 private:
  bool Varint(uint64_t* value) {
    *value = 0;
    for (unsigned shift = 0; shift < 64 && !bytes_.empty(); shift += 7) {
      const uint8_t byte = bytes_.front();
      bytes_ = bytes_.subspan(1);
      *value |= static_cast<uint64_t>(byte & 0x7FU) << shift;
      if ((byte & 0x80U) == 0) return true;
    }
    return false;
  }
  std::optional<Field> Malformed() {
    malformed_ = true;
    return std::nullopt;
  }

  std::span<const uint8_t> bytes_;
  bool malformed_ = false;
};

inline void AppendVarint(Bytes* out, uint64_t value) {
  while (value > 0x7F) {
    out->push_back(static_cast<uint8_t>(value | 0x80U));
    value >>= 7U;
  }
  out->push_back(static_cast<uint8_t>(value));
}

// Negative int32 values travel sign-extended to 64 bits, as protobuf wants them.
inline void AppendInt(Bytes* out, uint32_t field, int64_t value) {
  AppendVarint(out, static_cast<uint64_t>(field) << 3U);
  AppendVarint(out, static_cast<uint64_t>(value));
}

inline void AppendBytes(Bytes* out, uint32_t field, std::span<const uint8_t> data) {
  AppendVarint(out, (static_cast<uint64_t>(field) << 3U) | 2U);
  AppendVarint(out, data.size());
  out->insert(out->end(), data.begin(), data.end());
}

inline void AppendString(Bytes* out, uint32_t field, std::string_view text) {
  AppendVarint(out, (static_cast<uint64_t>(field) << 3U) | 2U);
  AppendVarint(out, text.size());
  out->insert(out->end(), text.begin(), text.end());
}

}  // namespace criu_node::wire
