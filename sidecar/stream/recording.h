// SPDX-License-Identifier: Apache-2.0
// Recording: what a source said, in order, owning its bytes. The replay source delivers one; tests and tools build one
// by hand or read one from text. Plain values.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "sidecar/stream/segment.h"

namespace podtap {

struct RecordedItem {
  // kEndOfBatch: the source has nothing more for now.
  enum class Kind : uint8_t { kOpen, kSegment, kClose, kEndOfBatch };
  Kind kind = Kind::kSegment;
  Connection connection;
  std::vector<std::byte> data;
  // Everything but `connection` and `data`, which the functions below fill in. kOpen uses `at` and `from_first_byte`,
  // kClose uses `at`, `received` and `acknowledged`.
  Segment fields;

  // Both refer to this item, which must stay where it is meanwhile.
  Segment AsSegment() const {
    Segment segment = fields;
    segment.connection = &connection;
    segment.data = data;
    return segment;
  }
  SocketClosed AsClose() const { return {&connection, fields.at, fields.received, fields.acknowledged}; }
};

using Recording = std::vector<RecordedItem>;

inline std::vector<std::byte> BytesOf(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

}  // namespace podtap
