// SPDX-License-Identifier: Apache-2.0
// TextCursor: appends to a std::string that is used again and again, for writers that put together a record from many
// short pieces: std::string's own append() keeps its size and final zero true after each piece, which costs more than
// the piece. While a cursor lives, the string is the cursor's; when it ends, the string holds what was there and what
// was written. It grows by doubling. One thread.
#pragma once

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace podtap {

class TextCursor {
 public:
  explicit TextCursor(std::string& out) : out_(out) { Take(out.size(), out.capacity()); }
  ~TextCursor() { out_.resize(size()); }
  TextCursor(const TextCursor&) = delete;
  TextCursor& operator=(const TextCursor&) = delete;

  size_t size() const { return static_cast<size_t>(at_ - out_.data()); }
  // The last character written; there must be one.
  char back() const { return at_[-1]; }
  void RemoveLast() { --at_; }

  // Where the next `n` characters go; what is written there counts once MoveTo() says where it ends.
  [[gnu::always_inline]] char* Room(size_t n) {
    if (static_cast<size_t>(end_ - at_) < n) [[unlikely]]
      Grow(n);
    return at_;
  }
  void MoveTo(char* end) { at_ = end; }

  [[gnu::always_inline]] TextCursor& operator+=(char c) {
    *Room(1) = c;
    ++at_;
    return *this;
  }
  // Inlined so that a literal's length is known where it is copied.
  [[gnu::always_inline]] TextCursor& operator+=(std::string_view text) {
    if (text.empty()) return *this;  // memcpy takes no null pointer
    std::memcpy(Room(text.size()), text.data(), text.size());
    at_ += text.size();
    return *this;
  }
  template <std::integral T>
  void Number(T value, int base = 10) {
    char* const to = Room(64);
    at_ = std::to_chars(to, to + 64, value, base).ptr;
  }

 private:
  [[gnu::cold, gnu::noinline]] void Grow(size_t n) { Take(size(), std::max(size() + n, 2 * out_.capacity())); }
  void Take(size_t size, size_t capacity) {
    // libstdc++ 12 may tell the operation a larger size than it was asked for.
    out_.resize_and_overwrite(capacity, [capacity](char*, size_t) { return capacity; });
    at_ = out_.data() + size;
    end_ = out_.data() + capacity;
  }

  std::string& out_;
  char* at_ = nullptr;
  char* end_ = nullptr;
};

}  // namespace podtap
