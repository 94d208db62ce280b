// SPDX-License-Identifier: Apache-2.0
// Base64 (RFC 4648, section 4), with padding and without line breaks, as JSON documents of Kubernetes carry bytes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace podtap::webhook {

std::string Base64(std::string_view bytes);
// Nothing if `text` is not base64.
std::optional<std::string> FromBase64(std::string_view text);

}  // namespace podtap::webhook
