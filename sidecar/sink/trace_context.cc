// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/trace_context.h"

#include <algorithm>

#include "base/percent.h"

namespace podtap {
namespace {

constexpr size_t kMaxStateBytes = 512;

// The bytes that `text` spells, if it is exactly `bytes` of them in hexadecimal and not all zero.
std::optional<std::string> Id(std::string_view text, size_t bytes, bool capitals) {
  if (text.size() != bytes * 2) return std::nullopt;
  std::string id(bytes, '\0');
  bool any = false;
  for (size_t i = 0; i < bytes; ++i) {
    const char a = text[i * 2], b = text[i * 2 + 1];
    const int high = HexDigit(a), low = HexDigit(b);
    if (high < 0 || low < 0) return std::nullopt;
    if (!capitals && ((a >= 'A' && a <= 'F') || (b >= 'A' && b <= 'F'))) return std::nullopt;
    id[i] = static_cast<char>(high << 4 | low);
    any = any || id[i] != '\0';
  }
  if (!any) return std::nullopt;
  return id;
}

// "00-<trace id>-<parent id>-<flags>"; later versions may go on behind a dash (W3C Trace Context 3.2).
std::optional<TraceContext> ParseTraceparent(std::string_view text) {
  constexpr size_t kSize = 55;
  if (text.size() < kSize || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  const std::string_view version = text.substr(0, 2);
  const int high = HexDigit(version[0]), low = HexDigit(version[1]);
  if (high < 0 || low < 0 || (high == 15 && low == 15)) return std::nullopt;
  if (version == "00" ? text.size() != kSize : text.size() > kSize && text[kSize] != '-') return std::nullopt;
  auto trace = Id(text.substr(3, 32), 16, /*capitals=*/false);
  auto parent = Id(text.substr(36, 16), 8, /*capitals=*/false);
  const int flags_high = HexDigit(text[53]), flags_low = HexDigit(text[54]);
  if (!trace || !parent || flags_high < 0 || flags_low < 0) return std::nullopt;
  const auto flags = static_cast<uint8_t>(flags_high << 4 | flags_low);
  return TraceContext{*std::move(trace), *std::move(parent), flags, {}};
}

std::optional<TraceContext> B3(std::string_view trace_text, std::string_view span_text, std::string_view sampled) {
  std::string padded;
  if (trace_text.size() == 16) {
    padded.assign(16, '0').append(trace_text);
    trace_text = padded;
  }
  auto trace = Id(trace_text, 16, /*capitals=*/true);
  auto span = Id(span_text, 8, /*capitals=*/true);
  if (!trace || !span) return std::nullopt;
  const bool is_sampled = sampled == "1" || sampled == "d" || EqualsIgnoreCase(sampled, "true");
  return TraceContext{*std::move(trace), *std::move(span), static_cast<uint8_t>(is_sampled ? 1 : 0), {}};
}

// "<trace id>-<span id>[-<sampled>[-<parent span id>]]".
std::optional<TraceContext> ParseB3(std::string_view text) {
  const size_t first = text.find('-');
  if (first == std::string_view::npos) return std::nullopt;  // "0": only a decision
  const size_t second = std::min(text.find('-', first + 1), text.size());
  std::string_view sampled = text.substr(std::min(second + 1, text.size()));
  sampled = sampled.substr(0, sampled.find('-'));
  return B3(text.substr(0, first), text.substr(first + 1, second - first - 1), sampled);
}

bool IsState(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= ' ' && c < 0x7f) || c == '\t'; });
}

// The headers that say something of a trace.
struct Fields {
  std::string_view parent, b3, b3_trace, b3_span, b3_sampled, b3_flags;
  std::string state;
  int parents = 0;

  void Look(HeaderList::Field field) {
    switch (field.name.size()) {
      case 2:
        if (EqualsIgnoreCase(field.name, "b3")) b3 = field.value;
        return;
      case 10:
        if (EqualsIgnoreCase(field.name, "x-b3-flags")) b3_flags = field.value;
        if (!field.value.empty() && EqualsIgnoreCase(field.name, "tracestate"))
          state.append(state.empty() ? "" : ",").append(field.value);
        return;
      case 11:
        if (EqualsIgnoreCase(field.name, "traceparent")) parent = field.value, ++parents;
        if (EqualsIgnoreCase(field.name, "x-b3-spanid")) b3_span = field.value;
        return;
      case 12:
        if (EqualsIgnoreCase(field.name, "x-b3-traceid")) b3_trace = field.value;
        if (EqualsIgnoreCase(field.name, "x-b3-sampled")) b3_sampled = field.value;
        return;
      default:
        return;
    }
  }
};

}  // namespace

std::optional<TraceContext> TraceContextOf(const HeaderList& headers) {
  Fields fields;
  for (size_t i = 0; i < headers.size(); ++i) fields.Look(headers[i]);
  if (fields.parents == 1) {
    if (auto context = ParseTraceparent(fields.parent)) {
      if (fields.state.size() <= kMaxStateBytes && IsState(fields.state)) context->state = std::move(fields.state);
      return context;
    }
  }
  if (!fields.b3.empty()) return ParseB3(fields.b3);
  if (!fields.b3_trace.empty())
    return B3(fields.b3_trace, fields.b3_span, fields.b3_flags == "1" ? "d" : fields.b3_sampled);
  return std::nullopt;
}

}  // namespace podtap
