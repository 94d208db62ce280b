// SPDX-License-Identifier: Apache-2.0
// Text of the network as UTF-8 (RFC 3629): is it, and what to write if it is not.
#pragma once

#include <string>
#include <string_view>

namespace podtap {

bool IsUtf8(std::string_view text);

// `text` as it is where it is UTF-8; each other byte becomes the character that it is in ISO 8859-1 (RFC 9110 5.5).
std::string ToUtf8(std::string_view text);

}  // namespace podtap
