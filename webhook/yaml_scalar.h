// SPDX-License-Identifier: Apache-2.0
// Scalars between YAML and JSON: what a plain word means, and how a string is written so that every reader takes it for
// one.
#pragma once

#include <string>
#include <string_view>

#include "webhook/json_view.h"

namespace podtap::webhook {

// null, a boolean, a number, or a string, by the rules of YAML 1.2's core schema and with YAML 1.1's octal numbers,
// which Kubernetes manifests use for file modes (0644).
json::value PlainScalarValue(std::string_view text);
// A quoted scalar, or one with a tag: "!!str" makes a string, others what the plain word means.
json::value TaggedScalarValue(std::string_view text, std::string_view tag);

// The value on one line of YAML: plain where no reader could mistake it, else in quotes.
std::string WriteScalar(const json::value& value);

}  // namespace podtap::webhook
