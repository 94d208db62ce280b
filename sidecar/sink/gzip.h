// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace podtap {

// `bytes` as a gzip file (RFC 1952), fast rather than small.
std::string Gzip(std::string_view bytes);

}  // namespace podtap
