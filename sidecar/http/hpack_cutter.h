// SPDX-License-Identifier: Apache-2.0
// HpackCutter: makes a header block fit for nghttp2's inflater, which takes strings of at most 65,536 bytes and is of
// no use after a longer one. It reads a block only as far as to tell representations, lengths and strings apart (RFC
// 7541 5.1, 5.2, 6); a string that is too long is replaced by kFiller, as large as strings may be: so a field that is
// inserted into the table empties it, as the real one does (4.4). That is true of tables of up to kLongest bytes; in a
// larger one the real field may have its place, and then the block is not readable.
//
// Strings are measured as they are coded. Of a Huffman coded one nobody knows here how long it really is; if it is
// short enough for the table after all, references to what is older than it fail, they are never answered wrongly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace podtap {

class HpackCutter {
 public:
  static constexpr size_t kLongest = 65536;
  // Whether a field's name or value is what stands for one that was too long.
  static bool IsFiller(std::string_view text) { return text.size() == kLongest && text[0] == '\0'; }

  // The next bytes of a block, passed on to `sink` in pieces; views are valid during the call. False: the block cannot
  // be read on, or the sink said so. `table`: how large the table may become now, in bytes.
  using Sink = std::function<bool(std::string_view)>;
  bool Feed(std::string_view data, size_t table, const Sink& sink);

 private:
  enum class State : uint8_t { kStart, kIndex, kLength, kString, kTooLong };
  void Begin(char first);
  bool OnLengthByte(char byte);
  bool OnLength(size_t table, const Sink& sink);
  void EndString();

  State state_ = State::kStart;
  bool inserts_ = false;  // the field goes into the table
  int strings_ = 0;       // of the field, still to come
  std::string length_;    // the bytes of a length that is being read
  uint64_t left_ = 0;     // of the string; while a length is read, the length
  int shift_ = 0;
};

}  // namespace podtap
