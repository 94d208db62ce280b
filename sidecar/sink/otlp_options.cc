// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/otlp_options.h"

#include <algorithm>
#include <string_view>

#include "base/percent.h"
#include "sidecar/event/header_list.h"

namespace podtap {
namespace {

std::string_view Trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

}  // namespace

Result<OtlpSettings::Pairs> ParsePairs(std::string_view flag, std::string_view text) {
  OtlpSettings::Pairs pairs;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find(','), text.size());
    const std::string_view pair = Trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (pair.empty()) continue;
    const size_t equals = pair.find('=');
    auto name = PercentDecode(Trim(pair.substr(0, equals)));
    auto value = PercentDecode(equals == std::string_view::npos ? std::string_view() : Trim(pair.substr(equals + 1)));
    // The value may be a secret and is not shown; nor is what has no name, which may be the rest of one.
    if (equals == std::string_view::npos || !name || name->empty() || !value)
      return UsageError("--" + std::string(flag) + ": item " + std::to_string(number) +
                        " is no NAME=VALUE; separate pairs by commas, write a comma inside a value %2C");
    const auto same = [&](const auto& other) { return other.first == *name; };
    if (std::any_of(pairs.begin(), pairs.end(), same))
      return UsageError("--" + std::string(flag) + ": " + *name + " stands there twice; take one of them out");
    pairs.emplace_back(*std::move(name), *std::move(value));
  }
  return pairs;
}

Status CheckHeaders(std::string_view flag, const OtlpSettings::Pairs& headers) {
  // How a request is framed and what it holds.
  static constexpr std::string_view kOurs[] = {"content-type",      "content-length", "content-encoding",
                                               "transfer-encoding", "connection",     "expect"};
  const auto refuse = [flag](const std::string& name, std::string_view why) {
    return UsageError("--" + std::string(flag) + ": \"" + name + "\" " + std::string(why));
  };
  for (const auto& [name, value] : headers) {
    if (!IsFieldName(name) ||
        std::any_of(value.begin(), value.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }))
      return refuse(name, "is no header with a valid value");
    if (std::any_of(std::begin(kOurs), std::end(kOurs),
                    [&name](std::string_view one) { return EqualsIgnoreCase(one, name); }))
      return refuse(name, "is podtap's own; take it out");
  }
  return {};
}

}  // namespace podtap
