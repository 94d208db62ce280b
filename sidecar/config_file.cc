// SPDX-License-Identifier: Apache-2.0
#include "sidecar/config_file.h"

#include <fcntl.h>
#include <gflags/gflags.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>

#include "base/unique_fd.h"
#include "base/yaml_tree.h"
#include "sidecar/flags.h"

namespace podtap {
namespace {

constexpr size_t kMaxBytes = 1 << 20;
constexpr size_t kFarName = 4;  // edits between a name and one that may have been meant

constexpr std::string_view kLists[] = {
    "sink",          "redact_headers",     "redact_query",        "redact_json_fields", "keep_body_content_types",
    "include_paths", "exclude_paths",      "include_methods",     "exclude_methods",    "include_hosts",
    "exclude_hosts", "include_statuses",   "exclude_statuses",    "include_ports",      "exclude_ports",
    "admin_address", "ignore_user_agents", "include_user_agents", "exclude_user_agents"};
constexpr std::string_view kPairLists[] = {"otlp_headers", "otlp_resource_attributes"};
// Of these the process must be sure whatever the file holds, or they make no sense in it.
constexpr std::string_view kCommandLineOnly[] = {"config_file", "check_config", "keep_running",
                                                 "wait_until_attached_ms"};

template <size_t N>
bool IsOneOf(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

size_t Edits(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t change = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
    }
  }
  return row[b.size()];
}

std::string Nearest(const std::string& name) {
  std::vector<gflags::CommandLineFlagInfo> flags;
  gflags::GetAllFlags(&flags);
  std::string nearest;
  size_t best = kFarName;
  for (const auto& flag : flags) {
    if (FormOfFlag(flag.name) == FlagForm::kUnknown || FormOfFlag(flag.name) == FlagForm::kCommandLineOnly) continue;
    if (const size_t edits = name.size() < 100 ? Edits(name, flag.name) : kFarName; edits < best)
      best = edits, nearest = flag.name;
  }
  return nearest;
}

// As the flags of pairs are written.
std::string Escaped(std::string_view text, bool name) {
  std::string out;
  for (const char c : text) {
    if (c == '%')
      out += "%25";
    else if (c == ',')
      out += "%2C";
    else if (c == '=' && name)
      out += "%3D";
    else
      out += c;
  }
  return out;
}

class Reading {
 public:
  explicit Reading(std::string_view text) : text_(text) {}

  ConfigFileText Run() {
    if (const size_t zero = text_.find('\0'); zero != std::string_view::npos) {
      Mistake(LineAt(zero), "holds a zero byte; save the file as UTF-8 text");
      return std::move(result_);
    }
    auto documents = ParseYaml(text_);
    if (!documents) {
      // "line N, column M: why"
      std::string_view why = documents.error().message;
      size_t line = 1;
      if (why.starts_with("line ")) {
        line = std::stoul(std::string(why.substr(5, 9)));
        why.remove_prefix(std::min(why.find(": ") + 2, why.size()));
      }
      Mistake(line, "is not YAML: " + std::string(why));
    } else if (documents->size() > 1) {
      MistakeAtNode((*documents)[1], "is a second document; keep all settings in one");
    } else if (!documents->empty()) {
      ReadRoot(documents->front());
    }
    return std::move(result_);
  }

 private:
  void ReadRoot(const YamlNode& root) {
    if (root.kind != YamlNode::Kind::kMapping)
      return MistakeAtNode(root, "is no mapping; write one \"name: value\" per line");
    std::map<std::string, size_t> seen;
    for (const auto& [key, value] : root.members) {
      const size_t line = LineOf(key);
      if (key.kind != YamlNode::Kind::kScalar || key.alias) {
        Mistake(line, "a name is one word");
        continue;
      }
      std::string name = key.text;
      std::replace(name.begin(), name.end(), '-', '_');
      if (const auto [first, added] = seen.emplace(name, line); !added) {
        Mistake(line, name + " was set in line " + std::to_string(first->second) + " already; take one of them out");
        continue;
      }
      ReadSetting(name, value, line);
    }
  }

  void ReadSetting(const std::string& name, const YamlNode& value, size_t line) {
    const FlagForm form = FormOfFlag(name);
    if (form == FlagForm::kUnknown) {
      const std::string nearest = Nearest(name);
      return Mistake(line, Shown(name) + " is not known; " +
                               (nearest.empty() ? "--help lists the names" : "was " + nearest + " meant?"));
    }
    if (form == FlagForm::kCommandLineOnly)
      return Mistake(line, name + " is for the command line only; take it out of the file");
    if (HasAlias(value)) return Mistake(line, name + " holds an alias; write its value");
    if (value.kind == YamlNode::Kind::kMapping) {
      if (form != FlagForm::kPairs) return Mistake(line, name + " is no mapping; " + WhatToWrite(form));
      return ReadPairs(name, value, line);
    }
    if (value.kind == YamlNode::Kind::kSequence) {
      if (form == FlagForm::kOne) return Mistake(line, name + " is no list; " + WhatToWrite(form));
      return ReadList(name, value, line);
    }
    if (IsNothing(value)) return Mistake(line, name + " has no value; write \"\" for none, or take the line out");
    Add(name, value.text, line);
  }

  void ReadList(const std::string& name, const YamlNode& list, size_t line) {
    std::string joined;
    for (const YamlNode& item : list.items) {
      if (item.kind != YamlNode::Kind::kScalar || IsNothing(item) || item.text.empty())
        return Mistake(LineOf(item), "each item of " + name + " is one value");
      if (item.text.find(',') != std::string::npos)
        return Mistake(LineOf(item), "an item of " + name + " holds a comma; " +
                                         (name == "sink" ? "write it %2C" : "make two items of it"));
      joined.append(joined.empty() ? "" : ",").append(item.text);
    }
    Add(name, std::move(joined), line);
  }

  void ReadPairs(const std::string& name, const YamlNode& pairs, size_t line) {
    std::string joined;
    for (const auto& [key, value] : pairs.members) {
      if (key.kind != YamlNode::Kind::kScalar || value.kind != YamlNode::Kind::kScalar || IsNothing(value))
        return Mistake(LineOf(key), "each member of " + name + " is NAME: VALUE");
      joined.append(joined.empty() ? "" : ",").append(Escaped(key.text, true)).append("=");
      joined.append(Escaped(value.text, false));
    }
    Add(name, std::move(joined), line);
  }

  void Add(const std::string& name, std::string value, size_t line) {
    // A block of text ends with the end of its last line.
    if (value.ends_with('\n')) value.pop_back();
    if (std::any_of(value.begin(), value.end(), [](unsigned char c) { return c < ' ' || c == 0x7f; }))
      return Mistake(line, name + " holds a line break or a control character; write a list, or one line");
    result_.settings.push_back({name, std::move(value), line});
  }

  static bool HasAlias(const YamlNode& node) {
    const auto has = [](const YamlNode& one) { return HasAlias(one); };
    return node.alias || std::any_of(node.items.begin(), node.items.end(), has) ||
           std::any_of(node.members.begin(), node.members.end(),
                       [](const YamlMember& member) { return HasAlias(member.key) || HasAlias(member.value); });
  }
  static bool IsNothing(const YamlNode& node) {
    return node.absent || (node.plain && (node.text.empty() || node.text == "~" || node.text == "null"));
  }
  static std::string WhatToWrite(FlagForm form) {
    if (form == FlagForm::kOne) return "write one value";
    return "write a list, or the values with commas";
  }
  static std::string Shown(const std::string& name) {
    std::string shown;
    for (const char c : name.substr(0, 60)) shown += c >= ' ' && c < 0x7f ? c : '?';
    return shown;
  }

  size_t LineOf(const YamlNode& node) const { return LineAt(node.begin); }
  size_t LineAt(size_t position) const {
    const auto end = text_.begin() + static_cast<ptrdiff_t>(std::min(position, text_.size()));
    return 1 + static_cast<size_t>(std::count(text_.begin(), end, '\n'));
  }
  void MistakeAtNode(const YamlNode& node, std::string_view what) { Mistake(LineOf(node), what); }
  void Mistake(size_t line, std::string_view what) { result_.mistakes.push_back({line, std::string(what)}); }

  const std::string_view text_;
  ConfigFileText result_;
};

}  // namespace

FlagForm FormOfFlag(std::string_view name) {
  gflags::CommandLineFlagInfo info;
  if (name.find('\0') != std::string_view::npos || !gflags::GetCommandLineFlagInfo(std::string(name).c_str(), &info) ||
      !info.filename.ends_with(kFlagsDefinedIn))
    return FlagForm::kUnknown;
  if (IsOneOf(kCommandLineOnly, name)) return FlagForm::kCommandLineOnly;
  if (IsOneOf(kLists, name)) return FlagForm::kList;
  return IsOneOf(kPairLists, name) ? FlagForm::kPairs : FlagForm::kOne;
}

ConfigFileText ReadSettings(std::string_view text) { return Reading(text).Run(); }

std::string TextOf(std::string_view file, std::vector<FileMistake> mistakes) {
  std::sort(mistakes.begin(), mistakes.end(), [](const FileMistake& a, const FileMistake& b) {
    return std::tie(a.line, a.text) < std::tie(b.line, b.text);
  });
  std::string all;
  for (const auto& [line, text] : mistakes) {
    if (!all.empty()) all += '\n';
    all.append(file).append(":").append(std::to_string(line)).append(": ").append(text);
  }
  return all;
}

Result<std::string> ReadConfigFile(const std::string& path) {
  const std::string context = "--config_file: cannot read " + path;
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!fd) {
    std::unexpected<Error> refused = ErrnoError(context);
    refused.error().message += "; name a file that podtap can read";
    return refused;
  }
  struct stat kind{};
  if (fstat(fd.get(), &kind) != 0 || !S_ISREG(kind.st_mode))
    return EnvironmentError(context + ": it is no regular file; name one that is");
  std::string text;
  char part[16384];
  ssize_t size;
  while ((size = read(fd.get(), part, sizeof(part))) > 0 && text.size() <= kMaxBytes)
    text.append(part, static_cast<size_t>(size));
  if (size < 0) return ErrnoError(context);
  if (text.size() > kMaxBytes) return UsageError(context + ": it is longer than 1 MiB; take out what is no setting");
  return text;
}

}  // namespace podtap
