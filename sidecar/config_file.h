// SPDX-License-Identifier: Apache-2.0
// The file that --config_file names: flags by name, in YAML (or JSON). Pure: text in, settings or mistakes out, each
// of which says what is wrong and what to do. docs/configuration.md describes the form.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace podtap {

struct FileSetting {
  std::string name;   // of the flag
  std::string value;  // as the flag takes it
  size_t line = 0;    // from 1
};

struct FileMistake {
  size_t line = 0;
  std::string text;
};

struct ConfigFileText {
  std::vector<FileSetting> settings;
  std::vector<FileMistake> mistakes;
};

// What a flag takes.
enum class FlagForm {
  kUnknown,
  kOne,
  kList,   // a comma list: in the file a list, too
  kPairs,  // NAME=VALUE, a comma list: in the file a list or a mapping, too
  kCommandLineOnly,
};
FlagForm FormOfFlag(std::string_view name);

// Reads the settings of `text`. Names may be written with '-' instead of '_'.
ConfigFileText ReadSettings(std::string_view text);

// All of them in the order of the file, one "FILE:LINE: text" per line.
std::string TextOf(std::string_view file, std::vector<FileMistake> mistakes);

// The content of the file, at most 1 MiB of a regular file.
Result<std::string> ReadConfigFile(const std::string& path);

}  // namespace podtap
