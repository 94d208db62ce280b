// SPDX-License-Identifier: Apache-2.0
#include "webhook/options.h"

#include <algorithm>

namespace podtap::webhook {
namespace {

const OptionInfo* FindOption(std::string_view name, std::span<const std::span<const OptionInfo>> tables) {
  for (const auto table : tables)
    for (const OptionInfo& option : table)
      if (option.name == name) return &option;
  return nullptr;
}

}  // namespace

Result<ParsedOptions> ParseOptions(std::span<const std::string> args,
                                   std::span<const std::span<const OptionInfo>> tables) {
  ParsedOptions parsed;
  for (size_t i = 0; i < args.size(); ++i) {
    std::string_view text = args[i];
    if (text == "--help" || text == "-h") {
      parsed.help = true;
      continue;
    }
    if (text == "--version") {
      parsed.version = true;
      continue;
    }
    if (!text.starts_with('-') || text.size() < 2)
      return UsageError("unexpected argument " + std::string(text) + "; --help lists the flags");
    text.remove_prefix(text.starts_with("--") ? 2 : 1);
    const size_t equals = text.find('=');
    std::string name(text.substr(0, equals));
    std::replace(name.begin(), name.end(), '-', '_');
    const OptionInfo* option = FindOption(name, tables);
    if (option == nullptr && equals == std::string_view::npos && name.starts_with("no")) {
      option = FindOption(name.substr(2), tables);
      if (option != nullptr && option->is_switch) {
        parsed.options.emplace_back(name.substr(2), "false");
        continue;
      }
      option = nullptr;
    }
    if (option == nullptr) return UsageError("unknown flag --" + name + "; --help lists the flags");
    if (equals != std::string_view::npos) {
      parsed.options.emplace_back(name, text.substr(equals + 1));
    } else if (option->is_switch) {
      parsed.options.emplace_back(name, "true");
    } else if (i + 1 < args.size()) {
      parsed.options.emplace_back(name, args[++i]);
    } else {
      return UsageError("--" + name + " needs a value; --help lists the flags");
    }
  }
  return parsed;
}

std::string OptionHelp(std::span<const std::span<const OptionInfo>> tables) {
  std::string help;
  for (const auto table : tables)
    for (const OptionInfo& option : table) {
      help.append(option.name.size() == 1 ? "  -" : "  --").append(option.name);
      if (!option.is_switch || option.default_value == "true") help.append("=").append(option.default_value);
      help.append("\n      ").append(option.help).append("\n");
    }
  return help;
}

}  // namespace podtap::webhook
