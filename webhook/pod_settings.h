// SPDX-License-Identifier: Apache-2.0
// The safe settings that a pod's author may choose by annotation: the pod's valid value, else the namespace's, else the
// default. Every value that is not used for being invalid leaves a warning.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "webhook/decide.h"

namespace podtap::webhook {

// Fills mode, mode_from, mode_decided_by, settings and adds to warnings.
void ChooseSettings(const DecisionInput& input, const InjectorConfig& config, Decision& decision);

// For an annotation whose value is a number or a boolean, as in a file without quotes.
std::string NoStringWarning(std::string_view name, const json::value& value);

// A warning of at most 120 characters: `value` is shortened and made printable. "<name>="<value>" <what>".
std::string ValueWarning(std::string_view name, std::string_view value, std::string_view what);

// Any text that comes from a pod, shortened to `limit` characters and with everything but printable ASCII replaced by
// '?'.
std::string Printable(std::string_view text, size_t limit);

}  // namespace podtap::webhook
