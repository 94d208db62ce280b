// SPDX-License-Identifier: Apache-2.0
// Kubernetes quantities ("500m", "128Mi", "1e3"): parsed exactly, so that requests and limits can be compared as the
// API server compares them. Values are counted in billionths (nano units); what has more digits is rounded up as
// Kubernetes does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace podtap {

// Billionths of the unit. 128 bits hold every quantity that the API server accepts.
using NanoUnits = __int128;
inline constexpr NanoUnits kNanoPerUnit = 1'000'000'000;

// The value of `text`, or nothing if it is not a quantity, is negative, or is larger than 2^63 units.
std::optional<NanoUnits> ParseQuantity(std::string_view text);

// Bytes as the shortest exact quantity: 134217728 is "128Mi", 1000 is "1000".
std::string BytesAsQuantity(uint64_t bytes);

}  // namespace podtap
