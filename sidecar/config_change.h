// SPDX-License-Identifier: Apache-2.0
// What of a new configuration a running podtap can take over, and how: by itself, by another worker, or not before the
// next start. Pure.
#pragma once

#include <string>
#include <vector>

#include "sidecar/config.h"

namespace podtap {

struct ConfigChange {
  Config next;                     // `now` with all that can be taken over
  bool live = false;               // settings differ that hold at once: mode, what may leave, log, the end
  bool worker = false;             // settings differ that only another worker can have: sinks, limits
  std::vector<std::string> later;  // flags that differ and hold from the next start on: target, ring, admin, …
};

ConfigChange ChangeOf(const Config& now, const Config& wanted);

// `config` with the settings of `from` that hold at once.
Config WithLiveSettings(Config config, const Config& from);

}  // namespace podtap
