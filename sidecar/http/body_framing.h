// SPDX-License-Identifier: Apache-2.0
// BodyFraming: where a body ends, counted byte by byte or skipped over: of known length, chunked (with extensions and
// trailers), or until the connection closes. Unlike Beast it can go on through a hole that lies wholly inside a body or
// a chunk of known size. Keeps no body bytes; the text of the trailer section is kept up to a limit. Owned by a
// MessageReader. RFC 9112 sections 6.2 and 7.1. Lenient where readers differ (bare LF, blanks around a size):
// `malformed` says so.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "sidecar/http/message_length.h"

namespace podtap {

class BodyFraming {
 public:
  enum class State : uint8_t {
    kData,      // in the body of known length, in a chunk's data, or in a body until close
    kBetween,   // chunked: in a size line, behind a chunk's data
    kTrailers,  // chunked: behind the last chunk
    kDone,      // the body's end was reached
    kBroken,    // the chunk grammar is broken: the end cannot be known
  };

  void Start(const MessageLength& length, size_t max_trailer_bytes);
  State state() const { return state_; }
  bool chunked() const { return kind_ == MessageLength::Kind::kChunked; }
  bool until_close() const { return kind_ == MessageLength::Kind::kUntilClose; }
  // In kData with a known end: bytes to that end. Otherwise nothing.
  std::optional<uint64_t> known_remaining() const;
  bool malformed() const { return malformed_; }
  bool trailers_truncated() const { return trailers_truncated_; }
  // Field lines of the trailer section, with their line endings.
  const std::string& trailers() const { return trailers_; }
  void ReleaseTrailers() { std::string().swap(trailers_); }

  // Consumes bytes until the body's end or the data's. Calls sink(std::string_view) for the body's own bytes. Returns
  // how many bytes were consumed; less than all only in kDone and kBroken.
  template <typename Sink>
  size_t Feed(std::string_view data, Sink&& sink) {
    size_t used = 0;
    while (used < data.size() && state_ != State::kDone && state_ != State::kBroken) {
      if (state_ == State::kData) {
        const size_t n = TakeData(data.size() - used);
        sink(data.substr(used, n));
        used += n;
      } else {
        used += TakeFraming(data.substr(used));
      }
    }
    return used;
  }

  // Goes over `n` bytes that will never come. Returns how many of them belong to the body; what is beyond is after its
  // end (known length) or unknown (a chunk: then state() is kBroken). Only in kData.
  uint64_t Skip(uint64_t n);
  // The connection's end: true if that is this body's end.
  bool EndsHere() const { return state_ == State::kDone || (state_ == State::kData && until_close()); }

 private:
  enum class Line : uint8_t { kSize, kAfterSize, kExtension, kDataEnd, kDataEndLf };
  size_t TakeData(size_t available);
  size_t TakeFraming(std::string_view data);
  bool TakeChunkByte(char c);
  void EndOfSizeLine();
  size_t TakeTrailers(std::string_view data);
  void EndOfData();

  MessageLength::Kind kind_ = MessageLength::Kind::kNone;
  State state_ = State::kDone;
  Line line_ = Line::kSize;
  bool malformed_ = false;
  bool trailers_truncated_ = false;
  bool last_was_cr_ = false;
  uint8_t digits_ = 0;
  uint64_t remaining_ = 0;  // of the body or chunk; while a size line is read: its value so far
  size_t max_trailer_bytes_ = 0;
  size_t trailer_line_ = 0;  // bytes of the current trailer line, without CR
  std::string trailers_;
};

}  // namespace podtap
