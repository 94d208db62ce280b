// SPDX-License-Identifier: Apache-2.0
// Redaction of multipart/form-data (RFC 7578).
#pragma once

#include <string>
#include <string_view>

#include "sidecar/policy/mask.h"
#include "sidecar/policy/names.h"

namespace podtap {

// Replaces the content of parts of these names, and fields of these names in parts that are JSON. False: the body is
// not understood whole (a part that is coded or a multipart itself, JSON that is none); `body` is then of no use.
bool RedactMultipart(const Names& names, const Mask& mask, std::string_view content_type, std::string& body);

}  // namespace podtap
