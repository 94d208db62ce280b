// SPDX-License-Identifier: Apache-2.0
#include "sidecar/capture/replay_source.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <unordered_map>

namespace podtap {
namespace {

template <typename T>
bool ParseNumber(std::string_view text, T& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size();
}

bool ParseEndpoint(std::string_view text, Endpoint& out) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || !ParseNumber(text.substr(colon + 1), out.port)) return false;
  std::string_view address = text.substr(0, colon);
  if (address.size() > 2 && address.front() == '[' && address.back() == ']') {
    return inet_pton(AF_INET6, std::string(address.substr(1, address.size() - 2)).c_str(), out.address.data()) == 1;
  }
  uint8_t v4[4];
  if (inet_pton(AF_INET, std::string(address).c_str(), v4) != 1) return false;
  out = Endpoint::V4(v4[0], v4[1], v4[2], v4[3], out.port);
  return true;
}

// Takes the next word off the line; a quoted one keeps its first quote so that it can be told apart.
std::optional<std::string_view> NextWord(std::string_view& line) {
  while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
  if (line.empty() || line.front() == '#') return std::nullopt;
  size_t end = 1;
  if (line.front() == '"') {
    while (end < line.size() && line[end] != '"') end += line[end] == '\\' ? 2 : 1;
    if (end >= line.size()) end = 0;  // never ends: an empty word, which nothing understands
    const std::string_view word = line.substr(0, end);
    line.remove_prefix(end > 0 ? end + 1 : line.size());
    return word;
  }
  while (end < line.size() && line[end] != ' ' && line[end] != '\t') ++end;
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

bool Unescape(std::string_view text, std::vector<std::byte>& out) {
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\\') {
      if (++i == text.size()) return false;
      switch (text[i]) {
        case 'r':
          c = '\r';
          break;
        case 'n':
          c = '\n';
          break;
        case 't':
          c = '\t';
          break;
        case '0':
          c = '\0';
          break;
        case '\\':
        case '"':
          c = text[i];
          break;
        case 'x': {
          unsigned value = 0;
          const char* begin = text.data() + i + 1;
          if (i + 2 >= text.size() || std::from_chars(begin, begin + 2, value, 16).ptr != begin + 2) return false;
          c = static_cast<char>(value);
          i += 2;
          break;
        }
        default:
          return false;
      }
    }
    out.push_back(static_cast<std::byte>(c));
  }
  return true;
}

class Parser {
 public:
  // False: the line makes no sense.
  bool Line(std::string_view line, Recording& out) {
    const auto verb = NextWord(line);
    if (!verb) return true;
    RecordedItem item;
    if (*verb == "batch") {
      item.kind = RecordedItem::Kind::kEndOfBatch;
      out.push_back(std::move(item));
      return !NextWord(line);
    }
    const auto cookie = NextWord(line);
    if (!cookie || !ParseNumber(*cookie, item.connection.id.value)) return false;
    if (*verb == "open" || *verb == "identify") {
      item.kind = RecordedItem::Kind::kOpen;
      if (!Identity(line, item)) return false;
      known_[item.connection.id.value] = item;
      if (*verb == "open") out.push_back(std::move(item));
      return true;
    }
    const auto known = known_.find(item.connection.id.value);
    if (known == known_.end()) return false;
    item.connection = known->second.connection;
    item.fields.from_first_byte = known->second.fields.from_first_byte;
    if (*verb == "close") {
      item.kind = RecordedItem::Kind::kClose;
    } else if (*verb == "segment") {
      const auto direction = NextWord(line);
      if (!direction || (*direction != "in" && *direction != "out")) return false;
      item.fields.direction = *direction == "in" ? Direction::kIngress : Direction::kEgress;
    } else {
      return false;
    }
    while (const auto word = NextWord(line)) {
      if (!Option(*word, item)) return false;
    }
    out.push_back(std::move(item));
    return true;
  }

 private:
  static bool Identity(std::string_view line, RecordedItem& item) {
    Connection& connection = item.connection;
    const auto role = NextWord(line);
    const auto local = NextWord(line);
    const auto remote = NextWord(line);
    if (!role || !local || !remote || !ParseEndpoint(*local, connection.local) ||
        !ParseEndpoint(*remote, connection.remote)) {
      return false;
    }
    if (*role == "accepted") {
      connection.role = Role::kAccepted;
    } else if (*role == "opened") {
      connection.role = Role::kOpened;
    } else if (*role != "unknown") {
      return false;
    }
    while (const auto word = NextWord(line)) {
      if (*word == "late") {
        item.fields.from_first_byte = false;
      } else if (*word == "loopback") {
        connection.loopback = true;
      } else if (word->starts_with("comm=")) {
        const std::string_view name = word->substr(5);
        if (name.size() >= connection.process.comm.size()) return false;
        std::copy(name.begin(), name.end(), connection.process.comm.begin());
      } else if (word->starts_with("pid=")) {
        if (!ParseNumber(word->substr(4), connection.process.pid)) return false;
      } else if (word->starts_with("cgroup=")) {
        if (!ParseNumber(word->substr(7), connection.cgroup_id)) return false;
      } else if (!word->starts_with("at=") || !ParseNumber(word->substr(3), item.fields.at.ns)) {
        return false;
      }
    }
    return true;
  }

  static bool Option(std::string_view word, RecordedItem& item) {
    Segment& fields = item.fields;
    if (word == "fin") return fields.fin = true;
    if (word == "reset") return fields.reset = true;
    if (word.empty()) return false;
    if (word.front() == '"') return Unescape(word.substr(1), item.data);
    const size_t equals = word.find('=');
    if (equals == std::string_view::npos) return false;
    const std::string_view name = word.substr(0, equals);
    uint64_t value = 0;
    if (!ParseNumber(word.substr(equals + 1), value)) return false;
    if (name == "at") return fields.at.ns = value, true;
    if (name == "pos") return fields.position = value, true;
    if (name == "received") return fields.received = value, true;
    if (name == "ack") return fields.acknowledged = value, true;
    if (name == "skipped") return fields.skipped = value, true;
    return false;
  }

  std::unordered_map<uint64_t, RecordedItem> known_;
};

}  // namespace

Result<Recording> ParseRecording(std::string_view text) {
  Recording recording;
  Parser parser;
  for (size_t number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    if (!parser.Line(line, recording)) {
      return UsageError("line " + std::to_string(number) + " of the recording is not understood: " + std::string(line));
    }
  }
  return recording;
}

size_t ReplaySource::Poll(SegmentHandler& handler, size_t max_records) {
  size_t delivered = 0;
  while (next_ < recording_.size() && delivered < max_records) {
    const RecordedItem& item = recording_[next_++];
    switch (item.kind) {
      case RecordedItem::Kind::kOpen:
        handler.OnOpen(item.connection, item.fields.from_first_byte, item.fields.at);
        break;
      case RecordedItem::Kind::kSegment:
        handler.OnSegment(item.AsSegment());
        break;
      case RecordedItem::Kind::kClose:
        handler.OnClose(item.AsClose());
        break;
      case RecordedItem::Kind::kEndOfBatch:
        return delivered;
    }
    ++delivered;
  }
  return delivered;
}

}  // namespace podtap
