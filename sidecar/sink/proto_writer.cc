// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/proto_writer.h"

#include "base/utf8.h"

namespace podtap {

void ProtoWriter::AlwaysString(uint32_t field, std::string_view value) {
  if (IsUtf8(value)) {
    AlwaysBytes(field, value);
  } else {
    AlwaysBytes(field, ToUtf8(value));
  }
}

void ProtoWriter::End(size_t begin) {
  const size_t length = out_.size() - begin, room = SizeOf(length);
  if (room > kRoom)
    out_.insert(begin, room - kRoom, '\0');
  else if (room < kRoom)
    out_.erase(begin - (kRoom - room), kRoom - room);
  char* at = out_.data() + begin - kRoom;
  for (uint64_t left = length; at < out_.data() + begin - kRoom + room; left >>= 7, ++at)
    *at = static_cast<char>(left >= 0x80 ? (left & 0x7f) | 0x80 : left);
}

}  // namespace podtap
