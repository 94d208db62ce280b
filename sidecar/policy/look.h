// SPDX-License-Identifier: Apache-2.0
// What bytes look like where nothing says what they are. They are not trusted: what looks like something need not be
// it.
#pragma once

#include <string_view>

#include "sidecar/policy/names.h"

namespace podtap {

bool LooksLikeJson(std::string_view text);

// Whether it begins with a name of a form field and '='.
bool LooksLikeForm(std::string_view text);

// Whether somewhere in it a name stands as JSON and scripts write keys: in quotes of either kind, escaped or not, with
// a colon behind it. Zero bytes are passed over, so that UTF-16 is seen through.
bool MentionsKey(const Names& names, std::string_view text);

}  // namespace podtap
