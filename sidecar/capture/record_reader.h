// SPDX-License-Identifier: Apache-2.0
// Reading one record of the ring (bpf/records.h): every field is checked before anything uses it, because a reader that
// trusts sizes is a reader that can be made to read elsewhere. Used by PacketSource; pure, so tests and the fuzzer call
// it as it is.
#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "bpf/records.h"
#include "sidecar/stream/connection.h"

namespace podtap {

struct RecordView {
  segment_record header;               // a copy
  std::span<const std::byte> payload;  // in the ring: valid until the record is given back
};

// The record in `bytes` (which may be longer than the record), or nothing if it makes no sense.
std::optional<RecordView> DecodeRecord(std::span<const std::byte> bytes);

// The identity that a record carries, as the rest of podtap knows it.
Connection ConnectionOf(const connection_identity& identity);

}  // namespace podtap
