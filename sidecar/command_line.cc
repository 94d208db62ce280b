// SPDX-License-Identifier: Apache-2.0
#include <gflags/gflags.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/config_file.h"
#include "sidecar/flags.h"

namespace podtap {
namespace {

bool Set(const std::string& name, const std::string& value) {
  return !gflags::SetCommandLineOption(name.c_str(), value.c_str()).empty();
}

// One of ours, not gflags' or glog's.
bool IsOurs(const std::string& name, gflags::CommandLineFlagInfo& info) {
  return gflags::GetCommandLineFlagInfo(name.c_str(), &info) && info.filename.ends_with(kFlagsDefinedIn);
}

// What a value of this type of flag looks like.
std::string FormOf(std::string_view type) {
  if (type == "bool") return "true or false";
  if (type == "uint64") return "a whole number from 0 on";
  return "a number";
}

// One "--name=value", "--name value", "--switch" or "--noswitch"; moves `index` past what it used. The flag
// is then among those `given`.
Status ParseFlag(int argc, const char* const* argv, int& index, std::set<std::string>& given) {
  std::string_view text = argv[index];
  text.remove_prefix(text.starts_with("--") ? 2 : 1);
  const size_t equals = text.find('=');
  std::string name(text.substr(0, equals));
  std::replace(name.begin(), name.end(), '-', '_');
  gflags::CommandLineFlagInfo info;
  std::string value;
  const bool known = IsOurs(name, info);
  if (equals != std::string_view::npos && known) {
    value = text.substr(equals + 1);
  } else if (known && info.type == "bool") {
    value = "true";
  } else if (!known && equals == std::string_view::npos && name.starts_with("no") && IsOurs(name.substr(2), info) &&
             info.type == "bool") {
    name = name.substr(2), value = "false";
  } else if (known) {
    if (index + 1 >= argc) return UsageError("--" + name + " needs a value; --help lists the flags");
    value = argv[++index];
  } else {
    return UsageError("unknown flag --" + name + "; --help lists the flags");
  }
  given.insert(name);
  if (!Set(name, value)) return UsageError("--" + name + "=" + value + " is not valid; use " + FormOf(info.type));
  return {};
}

// Whether the words hold this flag in any spelling, also where parsing gave up before it; nothing is said of its value.
bool Mentions(int argc, const char* const* argv, std::string_view flag) {
  for (int i = 1; i < argc && std::string_view(argv[i]) != "--"; ++i) {
    const std::string_view word = argv[i];
    if (!word.starts_with('-')) continue;
    std::string name(word.substr(word.starts_with("--") ? 2 : 1));
    name.resize(std::min(name.find('='), name.size()));
    std::replace(name.begin(), name.end(), '-', '_');
    if (name == flag) return true;
  }
  return false;
}

// The flags, as if the program had just started.
void Reset(const std::vector<std::string>& defaults) {
  std::vector<gflags::CommandLineFlagInfo> flags;
  gflags::GetAllFlags(&flags);
  for (const auto& flag : flags)
    if (flag.filename.ends_with(kFlagsDefinedIn)) Set(flag.name, flag.default_value);
  for (const std::string& pair : defaults) {
    const size_t equals = pair.find('=');
    Set(pair.substr(0, equals), pair.substr(equals + 1));
  }
}

// The setting of the file that an error is about.
const FileSetting* SettingOf(const std::string& message, const std::vector<FileSetting>& settings) {
  for (const FileSetting& setting : settings) {
    const size_t at = message.find("--" + setting.name);
    const size_t end = at + 2 + setting.name.size();
    const bool whole = at != std::string::npos &&
                       (end == message.size() || std::string_view("=:; ").find(message[end]) != std::string_view::npos);
    if (whole || (setting.name == "sink" && message.starts_with("sink \""))) return &setting;
  }
  return nullptr;
}

// Without the dashes before names: in a file there are none.
std::string WithoutDashes(const std::string& message) {
  return message.starts_with("--") ? message.substr(2) : message;
}

// Sets what the file says and the command line does not. All mistakes of the file are told, each on a line.
Result<Config> ConfigFromFile(std::string_view text, const std::set<std::string>& given,
                              const std::vector<std::string>& defaults) {
  ConfigFileText read = ReadSettings(text);
  std::erase_if(read.settings, [&](const FileSetting& setting) { return given.contains(setting.name); });
  for (const FileSetting& setting : read.settings) {
    gflags::CommandLineFlagInfo info;
    if (Set(setting.name, setting.value) || !IsOurs(setting.name, info)) continue;
    read.mistakes.push_back({setting.line, setting.name + " is not valid; use " + FormOf(info.type)});
  }
  while (true) {
    auto config = ConfigFromFlags();
    const FileSetting* wrong_setting = config ? nullptr : SettingOf(config.error().message, read.settings);
    if (wrong_setting == nullptr) {
      if (read.mistakes.empty() || !config) return config;
      break;
    }
    read.mistakes.push_back({wrong_setting->line, WithoutDashes(config.error().message)});
    // What is wrong beside it shows when this one is as if it had not been set.
    gflags::CommandLineFlagInfo info;
    IsOurs(wrong_setting->name, info);
    std::string value = info.default_value;
    for (const std::string& pair : defaults)
      if (pair.starts_with(wrong_setting->name + "=")) value = pair.substr(wrong_setting->name.size() + 1);
    Set(wrong_setting->name, value);
    std::erase_if(read.settings, [&](const FileSetting& setting) { return &setting == wrong_setting; });
  }
  return UsageError(TextOf(FLAGS_config_file, std::move(read.mistakes)));
}

Result<CommandLine> Parse(int argc, const char* const* argv, const std::vector<std::string>& defaults,
                          std::optional<std::string_view> file, std::set<std::string>& given) {
  Reset(defaults);
  CommandLine result;
  // The first mistake is what is told; the flags after it are read all the same.
  Status mistake;
  int i = 1;
  [[maybe_unused]] int flags = 0;
  for (; i < argc; ++i, ++flags) {
    const std::string_view text = argv[i];
    if (text == "--") break;
    if (text == "--help" || text == "-h" || text == "-help") {
      result.help = true;
    } else if (text == "--version" || text == "-version") {
      result.version = true;
    } else if (text.starts_with('-') && text.size() > 1) {
      if (Status ok = ParseFlag(argc, argv, i, given); !ok && mistake) mistake = ok;
    } else {
      break;
    }
  }
  if (i < argc && std::string_view(argv[i]) == "--") ++i;
  for (; i < argc; ++i) result.rest.emplace_back(argv[i]);
  if (!mistake) return std::unexpected(mistake.error());
  result.wait_only = given.contains("wait_until_attached_ms");
  result.wait_until_attached_ms = FLAGS_wait_until_attached_ms;
#ifdef PODTAP_IN_POD
  // Beside a running instance nothing else is accepted, and such a process cannot know whether one runs.
  if (result.wait_only && flags + static_cast<int>(result.rest.size()) > 1)
    return UsageError("--wait_until_attached_ms=N takes no other flag beside it inside a pod");
#endif
  result.check_config = FLAGS_check_config;
  if (!FLAGS_config_file.empty() && !file) {
    result.config = ConfigWithoutTarget();
    return result;
  }
  auto config = FLAGS_config_file.empty() ? ConfigFromFlags() : ConfigFromFile(*file, given, defaults);
  if (!config) return std::unexpected(config.error());
  result.config = *std::move(config);
  if (file && !FLAGS_config_file.empty()) result.file_text = *file;
  return result;
}

}  // namespace

ParseOutcome ParseCommandLine(int argc, const char* const* argv, const std::vector<std::string>& defaults,
                              std::optional<std::string_view> file) {
  std::set<std::string> given;
  auto parsed = Parse(argc, argv, defaults, file, given);
  const auto mentions = [&](std::string_view flag) { return Mentions(argc, argv, flag); };
  const bool asked = FLAGS_keep_running || (!given.contains("keep_running") && mentions("keep_running"));
  // A process that is to wait or to check never captures, whatever else is wrong with its flags.
  return {std::move(parsed), asked && !mentions("wait_until_attached_ms") && !mentions("check_config"),
          ConfigWithoutTarget()};
}

ParseOutcome ParseWithFile(int argc, const char* const* argv, const std::vector<std::string>& defaults) {
  ParseOutcome outcome = ParseCommandLine(argc, argv, defaults);
  if (!outcome.command_line || outcome.command_line->config.config_file.empty()) return outcome;
  auto text = ReadConfigFile(outcome.command_line->config.config_file);
  if (text) return ParseCommandLine(argc, argv, defaults, *text);
  outcome.command_line = std::unexpected(text.error());
  return outcome;
}

std::string FlagHelp() {
  std::vector<gflags::CommandLineFlagInfo> flags;
  gflags::GetAllFlags(&flags);
  std::string text;
  for (const auto& flag : flags)
    if (flag.filename.ends_with(kFlagsDefinedIn))
      text += "  --" + flag.name + "=" + flag.default_value + "\n      " + flag.description + "\n";
  return text;
}

}  // namespace podtap
