// SPDX-License-Identifier: Apache-2.0
// BodyPolicy: what of a body may leave. Fields of JSON, forms and multipart forms are redacted by name; a body to which
// a rule applies and that cannot be read as text does not leave at all (tag body_withheld). Text bodies are decoded
// from their content coding where that is asked for (tag decoded). Bodies of content types that are not wanted are left
// out (tag body_left_out). Sizes stay those of the wire.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/counters.h"
#include "sidecar/event/http_event.h"
#include "sidecar/policy/decode_body.h"
#include "sidecar/policy/mask.h"
#include "sidecar/policy/names.h"

namespace podtap {

class BodyPolicy {
 public:
  struct Options {
    std::vector<std::string> redact_fields;
    bool decode = false;
    bool keep_wire_bodies = false;  // beside decoded ones, for records that must have them
    DecodeLimits limits;
    std::vector<std::string> keep_types;  // globs of media types; empty: all
    bool operator==(const Options&) const = default;
  };
  BodyPolicy(Options options, const Mask& mask, Counters& counters);

  bool idle() const { return fields_.empty() && !options_.decode && options_.keep_types.empty(); }
  void Apply(HttpEvent& event, HttpMessage& message) const;

 private:
  enum class Kind { kNone, kUnknown, kJson, kForm, kMultipart };
  // What a rule would have to read the body as; kNone: no rule applies; kUnknown: none can, and it leaves as it is
  // unless it mentions one of the fields as JSON and scripts write keys.
  Kind KindOf(std::string_view content_type, std::string_view text) const;
  // Redacts `text`. False: it cannot be read.
  bool Redact(Kind kind, std::string_view content_type, bool cut, std::string& text) const;
  void Withhold(HttpEvent& event, HttpMessage& message) const;

  const Options options_;
  const Names fields_;
  const Mask& mask_;
  Counters& counters_;
};

}  // namespace podtap
