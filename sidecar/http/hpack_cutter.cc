// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/hpack_cutter.h"

#include <algorithm>

namespace podtap {
namespace {

constexpr int kLongestInteger = 28;  // bits behind the prefix: more is no length of anything
constexpr unsigned kLengthMask = 0x7f;

unsigned Byte(char c) { return static_cast<unsigned char>(c); }

// kLongest zeros, and their length: not Huffman coded.
const std::string& Filler() {
  static const std::string& filler = *new std::string(std::string("\x7f\x81\xff\x03", 4) + std::string(65536, '\0'));
  return filler;
}

}  // namespace

// The first byte of a representation: an index that may go on in more bytes, and how many strings follow it.
void HpackCutter::Begin(char first) {
  const unsigned byte = Byte(first);
  const bool indexed = (byte & 0x80) != 0;
  inserts_ = (byte & 0xc0) == 0x40;
  const bool size_update = (byte & 0xe0) == 0x20;
  const unsigned mask = indexed ? 0x7f : inserts_ ? 0x3f : size_update ? 0x1f : 0x0f;
  strings_ = indexed || size_update ? 0 : (byte & mask) == 0 ? 2 : 1;
  state_ = (byte & mask) == mask ? State::kIndex : strings_ == 0 ? State::kStart : State::kLength;
}

// True if that was its last byte.
bool HpackCutter::OnLengthByte(char byte) {
  length_ += byte;
  if (length_.size() == 1) {
    left_ = Byte(byte) & kLengthMask;
    shift_ = 0;
    return left_ < kLengthMask;
  }
  left_ += uint64_t{Byte(byte) & kLengthMask} << shift_;
  shift_ += 7;
  return (Byte(byte) & 0x80) == 0;
}

void HpackCutter::EndString() { state_ = --strings_ == 0 ? State::kStart : State::kLength; }

bool HpackCutter::OnLength(size_t table, const Sink& sink) {
  const bool too_long = left_ > kLongest;
  if (too_long && inserts_ && table > kLongest) return false;
  const bool good = sink(too_long ? Filler() : length_);
  length_.clear();
  state_ = too_long ? State::kTooLong : State::kString;
  if (left_ == 0) EndString();
  return good;
}

bool HpackCutter::Feed(std::string_view data, size_t table, const Sink& sink) {
  size_t from = 0;  // what was not passed on yet
  for (size_t at = 0; at < data.size();) {
    switch (state_) {
      case State::kStart:
        Begin(data[at++]);
        break;
      case State::kIndex:
        if ((Byte(data[at++]) & 0x80) == 0) state_ = strings_ == 0 ? State::kStart : State::kLength;
        break;
      case State::kLength:
        if (from < at && !sink(data.substr(from, at - from))) return false;
        from = at + 1;
        if (OnLengthByte(data[at++])) {
          if (!OnLength(table, sink)) return false;
        } else if (shift_ > kLongestInteger) {
          return false;
        }
        break;
      case State::kString:
      case State::kTooLong: {
        const size_t n = std::min<uint64_t>(left_, data.size() - at);
        at += n;
        left_ -= n;
        if (state_ == State::kTooLong) from = at;
        if (left_ == 0) EndString();
        break;
      }
    }
  }
  return from >= data.size() || sink(data.substr(from));
}

}  // namespace podtap
