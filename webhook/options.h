// SPDX-License-Identifier: Apache-2.0
// Command lines of podtap-webhook and of the offline tool: "--name=value", "--name value", "--switch", "--noswitch",
// with '-' and '_' alike. Only podtap's own options are accepted; the libraries' flags are not reachable.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "webhook/injector_config.h"

namespace podtap::webhook {

struct ParsedOptions {
  std::vector<std::pair<std::string, std::string>> options;  // in the order given
  bool help = false;
  bool version = false;
};

// Parses `args` (without the program's name) against the rows of all `tables`. An option that is no repeatable one may
// be given twice; the last wins. Arguments that are no options are refused.
Result<ParsedOptions> ParseOptions(std::span<const std::string> args,
                                   std::span<const std::span<const OptionInfo>> tables);

// For --help: each option with its default and meaning.
std::string OptionHelp(std::span<const std::span<const OptionInfo>> tables);

}  // namespace podtap::webhook
