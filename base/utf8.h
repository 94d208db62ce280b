// SPDX-License-Identifier: Apache-2.0
// Text of the network as UTF-8 (RFC 3629): is it, and what to write if it is not.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace podtap {

// Length in bytes of the UTF-8 sequence that begins at text[at] (at < text.size()), 0 if there is no valid one (RFC
// 3629: no overlong forms, no surrogates, nothing above U+10FFFF).
size_t Utf8Length(std::string_view text, size_t at);

// How many bytes of `text` are UTF-8 before the first that is not; text.size() if all are.
size_t Utf8Prefix(std::string_view text);

inline bool IsUtf8(std::string_view text) { return Utf8Prefix(text) == text.size(); }

// `text` as it is where it is UTF-8; each other byte becomes the character that it is in ISO 8859-1 (RFC 9110 5.5).
std::string ToUtf8(std::string_view text);

}  // namespace podtap
