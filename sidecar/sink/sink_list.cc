// SPDX-License-Identifier: Apache-2.0
// The --sink list: several sinks, each with its own format.
#include <algorithm>
#include <filesystem>
#include <optional>

#include "base/percent.h"
#include "sidecar/sink/http_url.h"
#include "sidecar/sink/sink.h"

namespace podtap {
namespace {

constexpr std::pair<std::string_view, Format> kFormats[] = {
    {"text", Format::kText}, {"eve", Format::kEve}, {"eve-strict", Format::kEveStrict}, {"proto", Format::kProto}};

std::string_view Trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

std::unexpected<Error> Refuse(std::string_view text, std::string_view why) {
  return UsageError("sink \"" + WithoutSecrets(text) + "\" " + std::string(why));
}

// The format that "format=proto" names; nothing without parameters.
Result<std::optional<Format>> FormatOf(std::string_view sink, std::string_view parameters) {
  std::optional<Format> format;
  while (!parameters.empty()) {
    const size_t end = std::min(parameters.find('&'), parameters.size());
    const std::string_view parameter = parameters.substr(0, end);
    parameters.remove_prefix(std::min(end + 1, parameters.size()));
    if (!parameter.starts_with("format="))
      return Refuse(sink,
                    "has a parameter that is not known; only ?format=FORMAT is (a question mark inside a path is "
                    "written %3F)");
    auto parsed = ParseFormat(parameter.substr(sizeof("format=") - 1));
    if (!parsed) return Refuse(sink, "cannot be used: " + parsed.error().message);
    if (format) return Refuse(sink, "names a format twice");
    format = *parsed;
  }
  return format;
}

Result<SinkConfig> ParseOne(std::string_view text, Format default_format) {
  const size_t question = text.find('?');
  const auto address_text = PercentDecode(text.substr(0, question));
  if (!address_text)
    return Refuse(text,
                  "has a % that is not followed by two hexadecimal digits; write %25 for a percent "
                  "sign");
  auto address = SinkAddress::Parse(*address_text);
  if (!address) return std::unexpected(address.error());
  auto format = FormatOf(text, question == std::string_view::npos ? std::string_view() : text.substr(question + 1));
  if (!format) return std::unexpected(format.error());
  SinkConfig sink{*std::move(address), format->value_or(default_format)};
  if (sink.address.kind == SinkAddress::Kind::kOtlp) {
    if (*format) return Refuse(text, "takes no format: OTLP is one");
    sink.format = Format::kOtlp;
  }
  sink.address.framed = sink.format == Format::kProto;
  return sink;
}

// Without "/./" and "/../"; of an endpoint as it is.
std::string PlainPath(const SinkAddress& address) {
  if (address.kind == SinkAddress::Kind::kOtlp) return address.path;
  return std::filesystem::path(address.path).lexically_normal().string();
}

std::string Escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ',')
      out += "%2C";
    else if (c == '?')
      out += "%3F";
    else if (c == '%')
      out += "%25";
    else
      out += c;
  }
  return out;
}

}  // namespace

std::string_view TextOf(Format format) {
  for (const auto& [name, value] : kFormats)
    if (value == format) return name;
  return "otlp";
}

Result<Format> ParseFormat(std::string_view text) {
  for (const auto& [name, value] : kFormats)
    if (name == text) return value;
  return UsageError("--format=" + std::string(text) + " is not known; use text, eve, eve-strict or proto");
}

std::string SinkConfig::Text() const {
  std::string text = Escape(address.Text());
  if (format != Format::kOtlp) text.append("?format=").append(TextOf(format));
  return text;
}

Result<std::vector<SinkConfig>> ParseSinks(std::string_view list, Format default_format) {
  std::vector<SinkConfig> sinks;
  for (size_t begin = 0; begin <= list.size();) {
    const size_t end = std::min(list.find(',', begin), list.size());
    auto sink = ParseOne(Trim(list.substr(begin, end - begin)), default_format);
    if (!sink) return std::unexpected(sink.error());
    const auto same = [&](const SinkConfig& other) {
      return other.address.kind == sink->address.kind && PlainPath(other.address) == PlainPath(sink->address);
    };
    if (std::any_of(sinks.begin(), sinks.end(), same))
      return Refuse(sink->address.Text(), "is named twice; two writers would mix their records");
    sinks.push_back(*std::move(sink));
    if (sinks.size() > kMaxSinks) return UsageError("--sink names more than " + std::to_string(kMaxSinks) + " sinks");
    begin = end + 1;
  }
  return sinks;
}

}  // namespace podtap
