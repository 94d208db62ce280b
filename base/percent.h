// SPDX-License-Identifier: Apache-2.0
// Percent-encoding (RFC 3986 2.1), as URLs, forms and podtap's own --sink lists use it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace podtap {

// The value of a hexadecimal digit, or -1.
int HexDigit(char c);

// Each "%XX" is the byte XX; nothing if a '%' is not followed by two hexadecimal digits.
std::optional<std::string> PercentDecode(std::string_view text);

// As browsers read forms and queries: '+' is a space, and a '%' that begins nothing stands for itself.
std::string FormDecode(std::string_view text);

// The opposite: every byte but letters, digits and "*-._" is written "%XX", a space '+'
// (https://url.spec.whatwg.org/#application/x-www-form-urlencoded).
std::string FormEncode(std::string_view text);

}  // namespace podtap
