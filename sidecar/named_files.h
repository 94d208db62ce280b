// SPDX-License-Identifier: Apache-2.0
// The files whose content the worker needs and cannot open: the attacher opens them by name.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"
#include "sidecar/config.h"
#include "sidecar/sink/otlp_options.h"

namespace podtap {

// Read-only; regular files only. Symbolic links are followed: Kubernetes mounts secrets as such.
Result<UniqueFd> OpenNamedFile(const Config& config, NamedFile file);

// Whether those that the configured sinks will ask for can be read, and certificates and keys are what they should be.
Status CheckNamedFiles(const Config& config);

}  // namespace podtap
