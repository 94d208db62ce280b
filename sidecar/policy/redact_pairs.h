// SPDX-License-Identifier: Apache-2.0
// Redaction of name=value pairs: queries of URLs, and form bodies.
#pragma once

#include <string>
#include <string_view>

#include "sidecar/policy/mask.h"
#include "sidecar/policy/names.h"

namespace podtap {

// "a=1&token=2" -> "a=1&token=***". Names are compared as they are after decoding, so "%74oken" is one too. Whether
// anything was replaced; `pairs` is unchanged otherwise. ';' and line ends may separate pairs or be part of a value:
// names are looked for behind them, and a value is replaced up to the next '&'. A value that is a URL is redacted
// likewise.
bool RedactPairs(const Names& names, const Mask& mask, std::string& pairs);

// The same in a form, whose values may be JSON with fields of these names. False: a value that is not understood
// mentions one; `form` is then of no use.
bool RedactForm(const Names& names, const Mask& mask, std::string& form);

// The same in the query and the fragment of a URL or request target.
bool RedactUrl(const Names& names, const Mask& mask, std::string& url);

}  // namespace podtap
