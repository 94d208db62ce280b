// SPDX-License-Identifier: Apache-2.0
// Http2Head: one header block of HTTP/2, decoded: pseudo-header fields by themselves, the others in a list (RFC 9113
// 8.3). Bounded: fields beyond the header limit are decoded, because the compression table needs it, and left out.
// Reading is tolerant; what RFC 9113 8.2 forbids (other characters, fields of HTTP/1's connections) is kept and marked.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sidecar/event/header_list.h"

namespace podtap {

struct Http2Head {
  HeaderList fields;
  std::string method, scheme, authority, path, protocol;
  std::optional<uint16_t> status;
  uint32_t unknown_fields = 0;  // fields whose name or value is not known
  uint64_t wire_bytes = 0;      // of the block, compressed
  bool undecodable = false;     // the fields are those up to where it failed
  bool truncated = false;       // at the header limit
  bool malformed = false;
  bool has_method = false;
  std::optional<uint64_t> length;  // Content-Length
  bool ambiguous_length = false;   // several of those, or Transfer-Encoding

  void Clear();
  void Free();  // the same, and gives all buffers back
  void Add(std::string_view name, std::string_view value, size_t limit);
  // A field that is too long to be looked at.
  void AddLong(size_t bytes) {
    bytes_ += bytes;
    truncated = true;
  }
  size_t memory() const;  // of what is kept and of buffers
  bool whole() const { return !undecodable && unknown_fields == 0; }

 private:
  void AddPseudo(std::string_view name, std::string_view value);
  void Check(std::string_view name, std::string_view value);
  void CheckLength(std::string_view value);
  size_t bytes_ = 0;  // of names and values kept
};

}  // namespace podtap
