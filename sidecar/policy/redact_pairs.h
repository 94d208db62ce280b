// SPDX-License-Identifier: Apache-2.0
// Redaction of name=value pairs: queries of URLs, and form bodies.
#pragma once

#include <string>
#include <string_view>

#include "sidecar/policy/mask.h"
#include "sidecar/policy/names.h"

namespace podtap {

// "a=1&token=2" -> "a=1&token=***". Names are compared as they are after decoding, so "%74oken" is one too. Whether
// anything was replaced; `pairs` is unchanged otherwise.
bool RedactPairs(const Names& names, const Mask& mask, std::string& pairs);

// The same in the query and the fragment of a URL or request target.
bool RedactUrl(const Names& names, const Mask& mask, std::string& url);

}  // namespace podtap
