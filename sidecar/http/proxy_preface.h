// SPDX-License-Identifier: Apache-2.0
// The header that a load balancer writes before the first byte of a connection to tell whose it is: the PROXY protocol,
// versions 1 (a line) and 2 (binary), as https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt defines them. What
// it says is not used; what follows it is the connection's protocol.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace podtap {

inline constexpr size_t kMaxProxyPrefaceBytes = 4096;  // of version 2 with its TLVs; version 1 has 107 at most

// The length of the header that a connection's first bytes begin with; 0: they begin with none; nothing: it is not all
// there, or cannot be told apart yet.
std::optional<size_t> ProxyPrefaceBytes(std::string_view bytes);

}  // namespace podtap
