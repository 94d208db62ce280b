// SPDX-License-Identifier: Apache-2.0
// SidecarOptions: what the operator hands through to every sidecar: flags, the metrics port, privileges, and the token
// that it shows to an OTLP endpoint. Names and formats are checked here, so that a mistake ends the webhook at its
// start instead of keeping pods from being captured.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace podtap::webhook {

struct SidecarOptions {
  std::vector<std::string> args;          // "--name=value", each of FlagsForSidecars()
  uint16_t metrics_port = 0;              // 0: none
  std::vector<std::string> capabilities;  // empty: those that the oldest kernel needs
  // type, user, role, level; empty: type=spc_t without privilege, nothing with it.
  std::vector<std::pair<std::string, std::string>> selinux;
  std::string token_audience = "podtap";  // empty: no service account token
  std::string token_secret;               // NAME or NAME/KEY of the pod's own namespace; instead of the former
};

// The sidecar's flags that an operator may set: none that says whom it captures, where it sends to, or that carries a
// secret, which would stand in every pod's spec.
std::span<const std::string_view> FlagsForSidecars();

// Sets the option `name` if it is one of these; nullopt if it is none. The error is one line.
std::optional<Status> ApplySidecarOption(SidecarOptions& options, std::string_view name, std::string_view value);

// Name and key of a token_secret; the key is "token" unless it says otherwise.
std::pair<std::string_view, std::string_view> SecretAndKey(std::string_view token_secret);

}  // namespace podtap::webhook
