// SPDX-License-Identifier: Apache-2.0
// podtap inject, uninject, explain: the webhook's decision and patch on files, without a cluster. Each prints to
// standard output what becomes of the input, or what would; notes go to standard error.
#pragma once

#include <string>
#include <vector>

namespace podtap {

// `args`: what follows the command's name. The exit code: 0, or 2 for bad usage or input, 1 for what the machine
// refused.
int InjectCommand(const std::vector<std::string>& args);
int UninjectCommand(const std::vector<std::string>& args);
int ExplainCommand(const std::vector<std::string>& args);

}  // namespace podtap
