// SPDX-License-Identifier: Apache-2.0
// The characters of JSON strings (RFC 8259 7).
#pragma once

#include <string>
#include <string_view>

namespace podtap {

// What a string token without its quotes stands for, in UTF-8. Half a surrogate pair becomes the three bytes that it
// would have; an escape that JSON does not know stands for the character itself.
std::string UnescapeJson(std::string_view token);

// Whether all escapes are JSON's, and surrogates come in pairs.
bool IsWellEscaped(std::string_view token);

// Appends `text` as a string token without its quotes.
void AppendEscaped(std::string_view text, std::string& out);

}  // namespace podtap
