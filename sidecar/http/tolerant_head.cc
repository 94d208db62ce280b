// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/tolerant_head.h"

#include <algorithm>

namespace podtap {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t'; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

bool HasControl(std::string_view text) { return std::any_of(text.begin(), text.end(), IsControl); }

// Name as other readers may understand it: without any white space or control characters around it.
std::string_view Core(std::string_view name) {
  while (!name.empty() && !IsTokenChar(name.front())) name.remove_prefix(1);
  while (!name.empty() && !IsTokenChar(name.back())) name.remove_suffix(1);
  return name;
}

bool IsLengthName(std::string_view name) {
  return EqualsIgnoreCase(name, "content-length") || EqualsIgnoreCase(name, "transfer-encoding");
}

// Takes the next line off `text`, without its ending. False: no LF is left.
bool TakeLine(std::string_view& text, std::string_view& line, TagSet& tags) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) return false;
  line = text.substr(0, end);
  text.remove_prefix(end + 1);
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  } else {
    tags.Add(Tag::kMalformed);  // bare LF
  }
  return true;
}

void AddField(std::string_view line, HeaderList& fields, TagSet& tags) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) {  // kept, so that nothing that was seen is hidden
    tags.Add(Tag::kMalformed);
    line = Trim(line);
    const size_t name_end = std::min(line.find_first_of(" \t"), line.size());
    if (IsLengthName(Core(line.substr(0, name_end)))) tags.Add(Tag::kAmbiguousLength);
    fields.Add(line.substr(0, name_end), Trim(line.substr(name_end)));
    return;
  }
  const std::string_view raw_name = line.substr(0, colon);
  const std::string_view name = Trim(raw_name);
  const std::string_view value = Trim(line.substr(colon + 1));
  const bool bent = name.size() != raw_name.size() || !IsToken(name) || HasControl(value);
  if (bent) {
    tags.Add(Tag::kMalformed);
    if (IsLengthName(Core(name))) tags.Add(Tag::kAmbiguousLength);
  }
  fields.Add(name, value);
}

}  // namespace

bool IsLengthLine(std::string_view line) {
  const size_t name_end = std::min(line.find(':'), line.size());
  return IsLengthName(Core(line.substr(0, name_end)));
}

void ParseFieldLines(std::string_view lines, HeaderList& fields, TagSet& tags) {
  std::string_view line;
  while (TakeLine(lines, line, tags) && !line.empty()) {
    if (!IsBlank(line.front())) {
      AddField(line, fields, tags);
      continue;
    }
    tags.Add(Tag::kMalformed);  // obs-fold, or white space before the first field
    if (fields.empty()) {
      AddField(Trim(line), fields, tags);
      continue;
    }
    if (IsLengthName(fields[fields.size() - 1].name)) tags.Add(Tag::kAmbiguousLength);
    fields.ExtendLast(Trim(line));
  }
}

bool ParseHeadTolerantly(MessageKind kind, std::string_view text, HeaderList& fields, Http1Head& out) {
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) return false;
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  if (!line.ends_with('\r')) out.tags.Add(Tag::kMalformed);
  if (kind == MessageKind::kRequest) {
    RequestLine request;
    if (!SplitRequestLine(line, request)) return false;
    out.method = request.method;
    out.target = request.target;
    out.version = request.version;
    if (request.version.empty()) {
      out.tags.Add(Tag::kHttp09);
      return true;
    }
    if (!request.exact) out.tags.Add(Tag::kMalformed);
  } else {
    StatusLine response;
    if (!SplitStatusLine(line, response)) return false;
    out.status = response.status;
    out.reason = response.reason;
    out.version = response.version;
    if (!response.exact) out.tags.Add(Tag::kMalformed);
  }
  ParseFieldLines(text, fields, out.tags);
  out.has_length = true;
  out.has_upgrade = fields.Has("upgrade");
  return true;
}

}  // namespace podtap
