// SPDX-License-Identifier: Apache-2.0
// Whatever bytes a peer sends, a record is one line: valid JSON in valid UTF-8, or plain visible text. Random events
// from fixed seeds, so a failure can be seen again.
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <random>

#include "base/utf8.h"
#include "sidecar/sink/json_text.h"
#include "sidecar/sink/sink.h"
#include "tests/unit/sink/sample_event.h"

namespace podtap {
namespace {

namespace json = boost::json;

class AnyBytes {
 public:
  explicit AnyBytes(uint32_t seed) : random_(seed) {}

  uint64_t Below(uint64_t n) { return std::uniform_int_distribution<uint64_t>(0, n - 1)(random_); }

  // Bytes of several kinds: all values, mostly ASCII, pieces of UTF-8, and what JSON and terminals care about.
  std::string Text(size_t up_to) {
    static constexpr std::string_view kPieces[] = {"\"",
                                                   "\\",
                                                   "\n",
                                                   "\xc3\xa9",
                                                   "\xe2\x80\xae",
                                                   "\xf0\x9f\x98\x80",
                                                   "\xed\xa0\x80",
                                                   "\xc0\x80",
                                                   "\xf4\x90\x80\x80",
                                                   "\xc2\x9b",
                                                   "\x1b[",
                                                   "\xe2\x82",
                                                   "\xf0\x9f",
                                                   "</script>",
                                                   ":",
                                                   "@",
                                                   "//",
                                                   "[",
                                                   "]"};
    std::string text;
    const uint64_t kind = Below(4);
    for (uint64_t left = Below(up_to + 1); left > 0; --left) {
      if (kind == 0 || (kind == 3 && Below(8) == 0)) {
        text += static_cast<char>(Below(256));
      } else if (kind == 1) {
        text += kPieces[Below(std::size(kPieces))];
      } else {
        text += static_cast<char>(0x20 + Below(0x60));
      }
    }
    return text;
  }

  HeaderList Fields() {
    static constexpr std::string_view kNames[] = {"Host",     "content-type", "Content-Range",  "User-Agent",
                                                  "Location", "Referer",      "X-Forwarded-For"};
    HeaderList list;
    for (uint64_t left = Below(6); left > 0; --left)
      list.Add(Below(2) == 0 ? Text(20) : std::string(kNames[Below(std::size(kNames))]), Text(60));
    return list;
  }

  HttpMessage Message() {
    HttpMessage message;
    message.seen = Below(8) != 0;
    message.headers = Fields();
    message.trailers = Below(4) == 0 ? Fields() : HeaderList();
    message.body = Text(100);
    message.header_bytes = Below(100000);
    message.body_bytes = Below(2) == 0 ? UINT64_MAX : Below(100000);
    message.missing_bytes = Below(3);
    message.start = Timestamp{Below(1'000'000'000'000)};
    message.end = Timestamp{Below(1'000'000'000'000)};
    return message;
  }

  HttpEvent Event() {
    HttpEvent event;
    event.connection.id = ConnectionId{random_()};
    event.connection.role = Below(2) == 0 ? Role::kAccepted : Role::kOpened;
    for (Endpoint* end : {&event.connection.local, &event.connection.remote}) {
      if (Below(2) == 0) *end = Endpoint::V4(10, 0, 0, static_cast<uint8_t>(Below(256)), 0);
      end->port = static_cast<uint16_t>(Below(65536));
    }
    event.connection.process.pid = static_cast<uint32_t>(Below(3));
    Text(15).copy(event.connection.process.comm.data(), 15);
    event.exchange = Below(5);
    event.wall = WallTime{static_cast<int64_t>(Below(4'000'000'000) * 1'000'000'000)};
    event.request = Message();
    event.response = Message();
    event.method = Text(8);
    event.target = Text(80);
    event.version = Text(8);
    event.status = static_cast<uint16_t>(Below(1000));
    event.container_id = Text(10);
    for (uint64_t left = Below(3); left > 0; --left) event.informational.push_back(static_cast<uint16_t>(Below(200)));
    event.complete = Below(2) == 0;
    for (uint64_t left = Below(4); left > 0; --left)
      event.tags.Add(static_cast<Tag>(Below(static_cast<uint64_t>(Tag::kCount))));
    return event;
  }

 private:
  std::mt19937_64 random_;
};

void ExpectValidUtf8WithoutControls(const std::string& line) {
  ASSERT_TRUE(line.ends_with('\n'));
  const std::string_view text = std::string_view(line).substr(0, line.size() - 1);
  for (size_t at = 0; at < text.size();) {
    const size_t length = Utf8Length(text, at);
    ASSERT_NE(length, 0u) << "invalid UTF-8 at byte " << at << " of " << line;
    const auto c = static_cast<uint8_t>(text[at]);
    ASSERT_TRUE(c >= 0x20 && c != 0x7f) << "control at byte " << at << " of " << line;
    ASSERT_FALSE(length == 2 && c == 0xc2 && static_cast<uint8_t>(text[at + 1]) < 0xa0) << "C1 control in " << line;
    at += length;
  }
}

TEST(AnyBytes, AreAlwaysOneValidJsonLine) {
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    AnyBytes any(seed);
    const HttpEvent event = any.Event();
    const auto encoder =
        MakeEveEncoder(Identity{any.Text(9), any.Text(9), any.Text(9), any.Text(9), "run"}, any.Below(2) == 0);
    std::string line;
    encoder->Encode(event, any.Below(4) == 0, line);
    ExpectValidUtf8WithoutControls(line);
    json::error_code error;
    const json::value record = json::parse(line, error);
    ASSERT_FALSE(error) << error.message() << " seed " << seed << ": " << line;
    ASSERT_TRUE(record.is_object());
    if (testing::Test::HasFatalFailure()) return;
  }
}

TEST(AnyBytes, AreAlwaysOneVisibleTextLine) {
  const auto encoder = MakeTextEncoder(false);
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    AnyBytes any(seed);
    std::string line;
    encoder->Encode(any.Event(), false, line);
    ExpectValidUtf8WithoutControls(line);
    if (testing::Test::HasFatalFailure()) return;
  }
}

// A string that was valid UTF-8 comes back as it was; any other comes back with its bad bytes as Latin-1.
TEST(AnyBytes, ComeBackFromJsonAsTheyWere) {
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    const std::string text = AnyBytes(seed).Text(40);
    std::string expected;
    for (size_t at = 0; at < text.size();) {
      const size_t length = Utf8Length(text, at);
      const auto c = static_cast<uint8_t>(text[at]);
      if (length == 0)
        expected += {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 0x3f))};
      else
        expected.append(text, at, length);
      at += length == 0 ? 1 : length;
    }
    std::string quoted;
    AppendJsonString(text, quoted);
    ASSERT_EQ(json::parse(quoted).as_string(), expected) << "seed " << seed;
  }
}

}  // namespace
}  // namespace podtap
