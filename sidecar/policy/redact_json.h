// SPDX-License-Identifier: Apache-2.0
// Redaction of JSON (RFC 8259), and of several JSON texts in a row (NDJSON), from bytes that are not trusted: what is
// not understood whole is not let through.
#pragma once

#include <string>
#include <string_view>

#include "sidecar/policy/mask.h"
#include "sidecar/policy/names.h"

namespace podtap {

enum class JsonOutcome {
  kWhole,      // understood to its end
  kCut,        // the text ends early, between two tokens
  kCutInside,  // it ends inside a string, number or word
  kBroken,     // it is no JSON
};

// Appends `text` to `out` with the values of fields of these names, at any depth, replaced by a string: the mask. A
// value that is an object or array is replaced as a whole. A string that holds JSON itself is redacted likewise.
JsonOutcome RedactJson(const Names& names, const Mask& mask, std::string_view text, std::string& out);

// The same for a text that may be JSON and need not be: a value of a form, a part, a string. `texts` counts the texts
// around it and this one. False: it is not understood and mentions one of the names as a key; `out` is as it was.
bool RedactEmbedded(const Names& names, const Mask& mask, std::string_view text, std::string& out, int texts = 1);

}  // namespace podtap
