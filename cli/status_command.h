// SPDX-License-Identifier: Apache-2.0
// podtap status: the running pods of a cluster that ask for capture and have no sidecar, each with its reason, and the
// namespaces whose revision no webhook serves. Reads only.
#pragma once

#include <string>
#include <vector>

namespace podtap {

// `args`: what follows the command's name. The exit code: 0, or 2 for bad usage, 1 for what the cluster or the machine
// refused.
int StatusCommand(const std::vector<std::string>& args);

}  // namespace podtap
