// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/body_framing.h"

#include <gtest/gtest.h>

#include <string>

namespace podtap {
namespace {

using State = BodyFraming::State;

BodyFraming Chunked(size_t max_trailers = 1000) {
  BodyFraming framing;
  MessageLength length;
  length.kind = MessageLength::Kind::kChunked;
  framing.Start(length, max_trailers);
  return framing;
}
BodyFraming OfLength(uint64_t n) {
  BodyFraming framing;
  framing.Start({MessageLength::Kind::kLength, n, {}}, 1000);
  return framing;
}

struct Fed {
  std::string body;
  size_t used = 0;
};
Fed Feed(BodyFraming& framing, std::string_view data) {
  Fed fed;
  fed.used = framing.Feed(data, [&fed](std::string_view piece) { fed.body += piece; });
  return fed;
}

struct Sample {
  std::string text;
  std::string body;
  State state;
  bool malformed;
};

TEST(BodyFraming, ChunksAsTheyAreAndAsTheyShouldNotBe) {
  const std::string ok = "3\r\nabc\r\n0\r\n\r\n";
  for (const Sample& sample : std::initializer_list<Sample>{
           {ok, "abc", State::kDone, false},
           {"0\r\n\r\n", "", State::kDone, false},
           {"00003\r\nabc\r\n000\r\n\r\n", "abc", State::kDone, false},
           {"A;x;y=\"1;2\"\r\n0123456789\r\n0;z\r\nT: 1\r\n\r\n", "0123456789", State::kDone, false},
           {"a\r\n0123456789\r\n0\r\n\r\n", "0123456789", State::kDone, false},
           {"3\nabc\n0\n\n", "abc", State::kDone, true},
           {"3 \r\nabc\r\n0\r\n\r\n", "abc", State::kDone, true},
           {" 3\r\nabc\r\n0\r\n\r\n", "abc", State::kDone, true},
           {"3 ;x\r\nabc\r\n0\r\n\r\n", "abc", State::kDone, true},
           {"3;x\nabc\r\n0\r\n\r\n", "abc", State::kDone, true},
           {"3\r\nabcd\r\n", "abc", State::kBroken, true},
           {"3\r\nabc\rx", "abc", State::kBroken, true},
           {"x\r\n", "", State::kBroken, true},
           {"0x3\r\nabc", "", State::kBroken, true},
           {"-3\r\n", "", State::kBroken, true},
           {"\r\n", "", State::kBroken, true},
           {"3\rabc", "", State::kBroken, true},
           {"10000000000000003\r\nabc", "", State::kBroken, true},
           {"ffffffffffffffff\r\nabc", "", State::kBroken, true},
           {"fffffffffffffff\r\nabc", "abc", State::kData, false},
           {"0\r\nA: 1\nB: 2\r\n\r\n", "", State::kDone, true},
       }) {
    BodyFraming whole = Chunked();
    const Fed fed = Feed(whole, sample.text + (sample.state == State::kDone ? "next" : ""));
    EXPECT_EQ(fed.body, sample.body) << sample.text;
    EXPECT_EQ(whole.state(), sample.state) << sample.text;
    EXPECT_EQ(whole.malformed(), sample.malformed) << sample.text;
    if (sample.state == State::kDone) {
      EXPECT_EQ(fed.used, sample.text.size()) << sample.text;
    }
    BodyFraming slow = Chunked();
    std::string body;
    for (const char& c : sample.text) body += Feed(slow, std::string_view(&c, 1)).body;
    EXPECT_EQ(body, sample.body) << sample.text;
    EXPECT_EQ(slow.state(), sample.state) << sample.text;
    EXPECT_EQ(slow.malformed(), sample.malformed) << sample.text;
    EXPECT_EQ(slow.trailers(), whole.trailers()) << sample.text;
  }
}

TEST(BodyFraming, TrailersAreKeptUpToTheLimit) {
  BodyFraming framing = Chunked(20);
  Feed(framing, "0\r\nA: 1\r\nB: 0123456789012345\r\nC: 3\r\n\r\n");
  EXPECT_EQ(framing.state(), State::kDone);
  EXPECT_TRUE(framing.trailers_truncated());
  EXPECT_EQ(framing.trailers(), "A: 1\r\n");
}

TEST(BodyFraming, ABodyOfKnownLengthIsCountedThroughHoles) {
  BodyFraming framing = OfLength(100);
  Feed(framing, std::string(10, 'x'));
  EXPECT_EQ(framing.Skip(50), 50u);
  EXPECT_EQ(framing.known_remaining(), 40u);
  const Fed fed = Feed(framing, std::string(45, 'y'));
  EXPECT_EQ(fed.used, 40u);
  EXPECT_EQ(framing.state(), State::kDone);
}

TEST(BodyFraming, AHoleMayReachBeyondTheEnd) {
  BodyFraming length = OfLength(10);
  EXPECT_EQ(length.Skip(30), 10u);
  EXPECT_EQ(length.state(), State::kDone);
  BodyFraming chunked = Chunked();
  Feed(chunked, "a\r\nxx");
  EXPECT_EQ(chunked.Skip(9), 8u);
  EXPECT_EQ(chunked.state(), State::kBroken);  // what was in the hole behind the chunk, nobody knows
}

TEST(BodyFraming, AHoleInAChunkIsCountedThrough) {
  BodyFraming framing = Chunked();
  Feed(framing, "a\r\nxx");
  EXPECT_EQ(framing.known_remaining(), 8u);
  EXPECT_EQ(framing.Skip(8), 8u);
  EXPECT_EQ(framing.known_remaining(), std::nullopt);
  Feed(framing, "\r\n0\r\n\r\n");
  EXPECT_EQ(framing.state(), State::kDone);
}

TEST(BodyFraming, UntilCloseTakesEverything) {
  BodyFraming framing;
  framing.Start({MessageLength::Kind::kUntilClose, 0, {}}, 1000);
  EXPECT_EQ(Feed(framing, "HTTP/1.1 200 OK\r\n\r\n").used, 19u);
  EXPECT_EQ(framing.Skip(1'000'000), 1'000'000u);
  EXPECT_TRUE(framing.EndsHere());
  EXPECT_EQ(framing.known_remaining(), std::nullopt);
}

}  // namespace
}  // namespace podtap
