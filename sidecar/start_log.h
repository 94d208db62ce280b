// SPDX-License-Identifier: Apache-2.0
// What the log says first: how it is configured and where it runs. Logs go to standard error only; standard output is a
// sink.
#pragma once

#include "sidecar/config.h"

namespace podtap {

// Sets logging up and writes the configuration and the system as one JSON line each.
void StartLog(const char* program, const Config& config);
// What is logged from now on.
void SetLogLevel(LogLevel level);
// {"os":"Debian GNU/Linux 12 (bookworm)","kernel":"6.1.0","architecture":"x86_64","btf":true,"version":"0.1.0"}
std::string SystemJson();

}  // namespace podtap
