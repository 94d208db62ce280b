// SPDX-License-Identifier: Apache-2.0
// One line per exchange for people:
//   12:00:01.123 ◀ GET /api?x=1 200 1.3ms 0B/150B 10.0.0.7:51234
// time of day (of the machine's time zone), ◀ ingress or ▶ egress, method, target, status, duration, body bytes of
// request and response, the other end's address; then the status of a gRPC call (`grpc=NOT_FOUND`), `!incomplete` and
// the tags in brackets where there are any. What
// peers wrote is shown so that it cannot steer a terminal or break the line: see AppendVisible.
#include <ctime>
#include <utility>

#include "base/utf8.h"
#include "sidecar/sink/json_text.h"
#include "sidecar/sink/sink.h"

namespace podtap {
namespace {

constexpr std::string_view kReset = "\x1b[0m", kDim = "\x1b[2m", kBold = "\x1b[1m", kRed = "\x1b[31m",
                           kGreen = "\x1b[32m", kYellow = "\x1b[33m", kCyan = "\x1b[36m";

uint32_t CodePoint(std::string_view sequence) {
  uint32_t point = static_cast<uint8_t>(sequence[0]);
  if (sequence.size() > 1) point &= 0xffu >> (sequence.size() + 1);
  for (size_t i = 1; i < sequence.size(); ++i) point = point << 6 | (static_cast<uint8_t>(sequence[i]) & 0x3f);
  return point;
}

// Controls, spaces, and the invisible characters that reorder or hide text.
bool IsVisible(uint32_t point) {
  if (point <= 0x20 || point == '\\') return false;
  if (point >= 0x7f && point <= 0xa0) return false;
  if (point == 0xad || point == 0x61c || point == 0x115f || point == 0x1160 || point == 0x1680 || point == 0x180e ||
      point == 0x3000 || point == 0x3164 || point == 0xfeff || point == 0xffa0)
    return false;
  if (point >= 0x2000 && point <= 0x200f) return false;    // spaces, zero width, marks of direction
  if (point >= 0x2028 && point <= 0x202f) return false;    // line separators, embeddings and overrides
  if (point >= 0x205f && point <= 0x206f) return false;    // isolates and other format characters
  if (point >= 0xfff0 && point <= 0xfffb) return false;    // annotation marks
  if (point >= 0xe0000 && point <= 0xe0fff) return false;  // language tags
  return true;
}

// Appends `text`; whatever is not visible (see above) or not UTF-8 is written \xNN byte by byte, and a backslash twice,
// so that the original can be told.
void AppendVisible(std::string_view text, std::string& out) {
  constexpr char kHex[] = "0123456789abcdef";
  if (text.empty()) out += '-';
  for (size_t at = 0; at < text.size();) {
    const size_t length = Utf8Length(text, at);
    const std::string_view sequence = text.substr(at, length == 0 ? 1 : length);
    at += sequence.size();
    if (length != 0 && IsVisible(CodePoint(sequence))) {
      out.append(sequence);
    } else if (sequence == "\\") {
      out += "\\\\";
    } else {
      for (const char c : sequence) {
        const auto byte = static_cast<uint8_t>(c);
        const char escape[] = {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
        out.append(escape, sizeof(escape));
      }
    }
  }
}

// Appends `value` (of tenths) with one digit after the point.
void AppendTenths(uint64_t tenths, std::string_view unit, std::string& out) {
  AppendNumber(tenths / 10, out);
  out += '.';
  AppendNumber(tenths % 10, out);
  out.append(unit);
}

// "0.04ms", "1.3ms", "153ms", "2.4s".
void AppendDuration(uint64_t ns, std::string& out) {
  if (ns < 100'000) {
    out += "0.0";
    AppendNumber(ns / 10'000, out);
    out += "ms";
  } else if (ns < 100'000'000) {
    AppendTenths(ns / 100'000, "ms", out);
  } else if (ns < 1'000'000'000) {
    AppendNumber(ns / 1'000'000, out);
    out += "ms";
  } else {
    AppendTenths(ns / 100'000'000, "s", out);
  }
}

// "150B", "64.0KiB", "1.5MiB".
void AppendSize(uint64_t bytes, std::string& out) {
  constexpr uint64_t kKi = 1024;
  if (bytes < kKi) {
    AppendNumber(bytes, out);
    out += 'B';
  } else if (bytes < kKi * kKi) {
    AppendTenths(bytes * 10 / kKi, "KiB", out);
  } else if (bytes < kKi * kKi * kKi) {
    AppendTenths(bytes / kKi * 10 / kKi, "MiB", out);
  } else {
    AppendTenths(bytes / (kKi * kKi) * 10 / kKi, "GiB", out);
  }
}

void AppendTimeOfDay(WallTime wall, std::string& out) {
  constexpr int64_t kSecond = 1'000'000'000;
  int64_t fraction = wall.ns % kSecond;
  if (fraction < 0) fraction += kSecond;
  const auto seconds = static_cast<time_t>((wall.ns - fraction) / kSecond);
  const auto milliseconds = static_cast<int>(fraction / 1'000'000);
  tm local{};
  localtime_r(&seconds, &local);
  const auto digit = [](int value) { return static_cast<char>('0' + value % 10); };
  const char text[] = {digit(local.tm_hour / 10), digit(local.tm_hour),     ':',
                       digit(local.tm_min / 10),  digit(local.tm_min),      ':',
                       digit(local.tm_sec / 10),  digit(local.tm_sec),      '.',
                       digit(milliseconds / 100), digit(milliseconds / 10), digit(milliseconds)};
  out.append(text, sizeof(text));
}

std::string_view ColourOf(uint16_t status) {
  if (status >= 500) return kRed;
  if (status >= 400) return kYellow;
  if (status >= 300) return kCyan;
  return kGreen;
}

class TextEncoder : public Encoder {
 public:
  explicit TextEncoder(bool colours) : colours_(colours) { tzset(); }  // reads the zone file now, not in a sandbox

  void Encode(const HttpEvent& event, bool without_bodies, std::string& out) const override {
    Colour(kDim, out);
    AppendTimeOfDay(event.wall, out);
    Colour(kReset, out);
    out += event.connection.role == Role::kOpened ? " ▶ " : " ◀ ";
    Colour(kBold, out);
    AppendVisible(event.request.seen ? std::string_view(event.method) : std::string_view(), out);
    Colour(kReset, out);
    out += ' ';
    AppendVisible(event.request.seen ? std::string_view(event.target) : std::string_view(), out);
    out += ' ';
    AppendStatus(event, out);
    out += ' ';
    AppendDuration(event.duration_ns(), out);
    out += ' ';
    AppendSize(event.request.body_bytes, out);
    out += '/';
    AppendSize(event.response.body_bytes, out);
    out += ' ';
    out += event.connection.remote.Text();
    if (event.grpc) AppendGrpc(*event.grpc, out);
    AppendRemarks(event, without_bodies, out);
    out += '\n';
  }

 private:
  void Colour(std::string_view code, std::string& out) const {
    if (colours_) out.append(code);
  }

  void AppendStatus(const HttpEvent& event, std::string& out) const {
    if (!event.response.seen || event.status == 0) {
      out += '-';
      return;
    }
    Colour(ColourOf(event.status), out);
    AppendNumber(event.status, out);
    Colour(kReset, out);
  }

  void AppendGrpc(const GrpcCall& call, std::string& out) const {
    Colour(call.status.value_or(1) == 0 ? kGreen : kRed, out);
    out += " grpc=";
    if (!call.status) {
      out += '-';
    } else if (const std::string_view name = TextOfGrpcStatus(*call.status); !name.empty()) {
      out.append(name);
    } else {
      AppendNumber(*call.status, out);
    }
    Colour(kReset, out);
  }

  void AppendRemarks(const HttpEvent& event, bool without_bodies, std::string& out) const {
    TagSet tags = event.tags;
    if (without_bodies) tags.Add(Tag::kBodiesDropped);
    if (!event.complete) {
      Colour(kRed, out);
      out += " !incomplete";
      Colour(kReset, out);
    }
    if (tags.empty()) return;
    Colour(kDim, out);
    char before = '[';
    out += ' ';
    tags.ForEach([&](Tag tag) {
      out += std::exchange(before, ',');
      out.append(TextOf(tag));
    });
    out += ']';
    Colour(kReset, out);
  }

  bool colours_;
};

}  // namespace

std::unique_ptr<Encoder> MakeTextEncoder(bool colours) { return std::make_unique<TextEncoder>(colours); }

}  // namespace podtap
