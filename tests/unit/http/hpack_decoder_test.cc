// SPDX-License-Identifier: Apache-2.0
// Header compression: RFC 7541's examples, and what remains true of a table whose beginning was not seen, checked
// against nghttp2's own deflater.
#include "sidecar/http/hpack_decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <random>
#include <utility>
#include <vector>

namespace podtap {
namespace {

using ::testing::ElementsAre;
using namespace std::string_literals;

using Field = std::pair<std::string, std::string>;
using Fields = std::vector<Field>;

std::string Hex(std::string_view digits) {
  std::string out;
  std::string pair;
  for (const char c : digits) {
    if (c == ' ') continue;
    pair += c;
    if (pair.size() < 2) continue;
    out += static_cast<char>(std::stoi(pair, nullptr, 16));
    pair.clear();
  }
  return out;
}

struct Decoder : HpackDecoder::Handler {
  MemoryBudget budget{24 << 20};
  Counters counters;
  HpackDecoder hpack{budget, counters};
  Fields fields;

  void OnField(std::string_view name, std::string_view value) override { fields.emplace_back(name, value); }
  void OnLongField() override { fields.emplace_back("?", "long"); }
  void OnRestart() override { fields.clear(); }
  // The fields of a block, which arrives in pieces of that size; {{"!", ""}} if it is not decodable.
  Fields Decode(std::string_view block, size_t piece = 1 << 20) {
    fields.clear();
    bool good = true;
    for (size_t at = 0; good && (at == 0 || at < block.size()); at += piece)
      good = hpack.Feed(block.substr(at, piece), at + piece >= block.size(), *this);
    if (!good) hpack.Abort();
    return good ? fields : Fields{{"!", ""}};
  }
};

// nghttp2's encoder.
struct Encoder {
  explicit Encoder(size_t table = 4096) { nghttp2_hd_deflate_new(&deflater, table); }
  ~Encoder() { nghttp2_hd_deflate_del(deflater); }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;
  void Resize(size_t table) { nghttp2_hd_deflate_change_table_size(deflater, table); }
  std::string Encode(const Fields& fields) {
    std::vector<nghttp2_nv> list;
    for (const auto& [name, value] : fields)
      list.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                      reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(), 0});
    std::string out(nghttp2_hd_deflate_bound(deflater, list.data(), list.size()), '\0');
    const ssize_t size =
        nghttp2_hd_deflate_hd(deflater, reinterpret_cast<uint8_t*>(out.data()), out.size(), list.data(), list.size());
    EXPECT_GE(size, 0);
    out.resize(static_cast<size_t>(size));
    return out;
  }
  nghttp2_hd_deflater* deflater = nullptr;
};

// ---- RFC 7541 appendix C

TEST(HpackDecoder, Rfc7541C2FieldsOfEachForm) {
  Decoder d;
  EXPECT_THAT(d.Decode(Hex("400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572")),
              ElementsAre(Field("custom-key", "custom-header")));
  EXPECT_THAT(d.Decode(Hex("be")), ElementsAre(Field("custom-key", "custom-header"))) << "it was inserted";
  EXPECT_THAT(d.Decode(Hex("040c 2f73 616d 706c 652f 7061 7468")), ElementsAre(Field(":path", "/sample/path")));
  EXPECT_THAT(d.Decode(Hex("1008 7061 7373 776f 7264 0673 6563 7265 74")), ElementsAre(Field("password", "secret")));
  EXPECT_THAT(d.Decode(Hex("82")), ElementsAre(Field(":method", "GET")));
  EXPECT_THAT(d.Decode(Hex("be")), ElementsAre(Field("custom-key", "custom-header"))) << "the others were not";
}

TEST(HpackDecoder, Rfc7541C3RequestsWithoutHuffmanCoding) {
  Decoder d;
  EXPECT_THAT(d.Decode(Hex("8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d")),
              ElementsAre(Field(":method", "GET"), Field(":scheme", "http"), Field(":path", "/"),
                          Field(":authority", "www.example.com")));
  EXPECT_THAT(d.Decode(Hex("8286 84be 5808 6e6f 2d63 6163 6865")),
              ElementsAre(Field(":method", "GET"), Field(":scheme", "http"), Field(":path", "/"),
                          Field(":authority", "www.example.com"), Field("cache-control", "no-cache")));
  EXPECT_THAT(d.Decode(Hex("8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65")),
              ElementsAre(Field(":method", "GET"), Field(":scheme", "https"), Field(":path", "/index.html"),
                          Field(":authority", "www.example.com"), Field("custom-key", "custom-value")));
}

TEST(HpackDecoder, Rfc7541C4RequestsWithHuffmanCodingInPiecesOfAnySize) {
  for (const size_t piece : {1, 2, 3, 7, 100}) {
    Decoder d;
    EXPECT_THAT(d.Decode(Hex("8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff"), piece),
                ElementsAre(Field(":method", "GET"), Field(":scheme", "http"), Field(":path", "/"),
                            Field(":authority", "www.example.com")));
    EXPECT_THAT(d.Decode(Hex("8286 84be 5886 a8eb 1064 9cbf"), piece),
                ElementsAre(Field(":method", "GET"), Field(":scheme", "http"), Field(":path", "/"),
                            Field(":authority", "www.example.com"), Field("cache-control", "no-cache")));
    EXPECT_THAT(d.Decode(Hex("8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"), piece),
                ElementsAre(Field(":method", "GET"), Field(":scheme", "https"), Field(":path", "/index.html"),
                            Field(":authority", "www.example.com"), Field("custom-key", "custom-value")));
  }
}

TEST(HpackDecoder, Rfc7541C5ResponsesThatEvict) {
  Decoder d;
  EXPECT_THAT(
      d.Decode(Hex("3fe1 01") +
               Hex("4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 "
                   "3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d")),
      ElementsAre(Field(":status", "302"), Field("cache-control", "private"),
                  Field("date", "Mon, 21 Oct 2013 20:13:21 GMT"), Field("location", "https://www.example.com")));
  EXPECT_THAT(
      d.Decode(Hex("4803 3330 37c1 c0bf")),
      ElementsAre(Field(":status", "307"), Field("cache-control", "private"),
                  Field("date", "Mon, 21 Oct 2013 20:13:21 GMT"), Field("location", "https://www.example.com")));
  EXPECT_THAT(d.Decode(Hex(
                  "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 "
                  "7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 "
                  "6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31")),
              ElementsAre(Field(":status", "200"), Field("cache-control", "private"),
                          Field("date", "Mon, 21 Oct 2013 20:13:22 GMT"), Field("location", "https://www.example.com"),
                          Field("content-encoding", "gzip"),
                          Field("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1")));
}

TEST(HpackDecoder, Rfc7541C6ResponsesThatEvictWithHuffmanCoding) {
  Decoder d;
  EXPECT_THAT(
      d.Decode(Hex("3fe1 01") + Hex("4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 "
                                    "2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3"),
               5),
      ElementsAre(Field(":status", "302"), Field("cache-control", "private"),
                  Field("date", "Mon, 21 Oct 2013 20:13:21 GMT"), Field("location", "https://www.example.com")));
  EXPECT_THAT(
      d.Decode(Hex("4883 640e ffc1 c0bf"), 5),
      ElementsAre(Field(":status", "307"), Field("cache-control", "private"),
                  Field("date", "Mon, 21 Oct 2013 20:13:21 GMT"), Field("location", "https://www.example.com")));
  EXPECT_THAT(d.Decode(Hex("88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 "
                           "821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed "
                           "4ee5 b106 3d50 07"),
                       5),
              ElementsAre(Field(":status", "200"), Field("cache-control", "private"),
                          Field("date", "Mon, 21 Oct 2013 20:13:22 GMT"), Field("location", "https://www.example.com"),
                          Field("content-encoding", "gzip"),
                          Field("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1")));
}

// ---- a table whose beginning was not seen

TEST(HpackDecoder, WhatWasInsertedBeforeTheJoinIsUnknownAndWhatCameSinceIsExact) {
  Encoder e;
  e.Encode({{"old", "1"}, {"older", "2"}});
  Decoder d;
  d.hpack.Lose();
  EXPECT_THAT(d.Decode(e.Encode({{"old", "1"}, {"new", "3"}})), ElementsAre(Field("", ""), Field("new", "3")));
  EXPECT_THAT(d.Decode(e.Encode({{"new", "3"}, {"older", "2"}, {":method", "GET"}})),
              ElementsAre(Field("new", "3"), Field("", ""), Field(":method", "GET")));
  // A name that is not known with a value that is: the value belongs to nothing.
  EXPECT_THAT(d.Decode(e.Encode({{"old", "4"}})), ElementsAre(Field("", "4")));
  EXPECT_THAT(d.Decode(e.Encode({{"old", "4"}})), ElementsAre(Field("", "4")));
}

TEST(HpackDecoder, ASizeUpdateToZeroLeavesNothingUnknown) {
  Encoder e;
  e.Encode({{"old", "1"}});
  Decoder d;
  d.hpack.Lose();
  e.Resize(0);
  e.Resize(4096);
  EXPECT_THAT(d.Decode(e.Encode({{"old", "1"}})), ElementsAre(Field("old", "1")));
  EXPECT_THAT(d.Decode(e.Encode({{"old", "1"}})), ElementsAre(Field("old", "1")));
}

TEST(HpackDecoder, ALargerTableThanTheDefaultIsTriedOnce) {
  Encoder e(65536);
  e.Resize(65536);
  Fields many;
  for (int i = 0; i < 300; ++i) many.emplace_back("name" + std::to_string(i), "value");
  e.Encode(many);
  Decoder d;
  d.hpack.Lose();
  // Older than 128 entries: more than a table of 4,096 bytes can hold.
  EXPECT_THAT(d.Decode(e.Encode({{"name3", "value"}, {"new", "1"}})), ElementsAre(Field("", ""), Field("new", "1")));
  EXPECT_EQ(d.counters.Get(Counter::kHpackRetried), 1u);
  EXPECT_EQ(d.counters.Get(Counter::kHpackFailed), 0u);
  EXPECT_THAT(d.Decode(e.Encode({{"name3", "value"}, {"new", "1"}})), ElementsAre(Field("", ""), Field("new", "1")));
  EXPECT_EQ(d.counters.Get(Counter::kHpackRetried), 1u);
}

// How large a table both ends agreed on before the join is unknown: whatever the encoder then says is followed.
TEST(HpackDecoder, ATableThatIsResizedBeyondTheLargestGuessIsFollowed) {
  Encoder e(262144);
  e.Encode({{"old", "1"}});
  Decoder d;
  d.hpack.Lose();
  e.Resize(262144);
  EXPECT_THAT(d.Decode(e.Encode({{"old", "1"}, {"new", "1"}})), ElementsAre(Field("", ""), Field("new", "1")));
  Fields many;
  for (int i = 0; i < 3000; ++i) many.emplace_back("name" + std::to_string(i), "value");
  d.Decode(e.Encode(many));
  EXPECT_THAT(d.Decode(e.Encode({{"name3", "value"}})), ElementsAre(Field("name3", "value")));
  EXPECT_EQ(d.counters.Get(Counter::kHpackFailed), 0u);
}

TEST(HpackDecoder, WhatFitsNoTableIsNotDecodable) {
  Decoder d;
  d.hpack.Lose();
  EXPECT_THAT(d.Decode(Hex("ffff ff03")), ElementsAre(Field("!", "")));
  EXPECT_EQ(d.counters.Get(Counter::kHpackFailed), 1u);
  EXPECT_THAT(d.Decode(Hex("82")), ElementsAre(Field(":method", "GET"))) << "the next block is tried again";
}

// Placeholders are work that nobody asked for: a sender has them made for its bytes, and a few thousand to begin with.
TEST(HpackDecoder, WorkForBlocksThatDoNotDecodeIsBoundedByTheirBytes) {
  constexpr size_t kHeader = 9;
  const std::string broken = Hex("ffff ff03"), good = Hex("82");
  for (const bool good_between : {false, true}) {
    for (const bool whole : {false, true}) {
      Decoder d;
      size_t sent = 0;
      for (int i = 0; i < 20000; ++i) {
        d.hpack.Feed(broken, whole, d);
        if (!whole) d.hpack.Abort();
        sent += kHeader + broken.size();
        if (!good_between) continue;
        d.Decode(good);
        sent += kHeader + good.size();
      }
      EXPECT_LE(d.hpack.placeholders_made(), sent + HpackDecoder::kFreePlaceholders);
      EXPECT_GT(d.counters.Get(Counter::kHpackUnpaid), 10000u);
      EXPECT_GT(d.counters.Get(Counter::kHpackFailed), 10000u);
    }
  }
}

TEST(HpackDecoder, AfterBlocksThatDidNotDecodeTheNextOnesPayForTheirTable) {
  Decoder d;
  for (int i = 0; i < 1000; ++i) d.Decode(Hex("ffff ff03"));
  Encoder e;
  int unknown = 0;
  while (d.Decode(e.Encode({{"x-" + std::to_string(unknown), "1"}})) == Fields{{"!", ""}}) ASSERT_LT(++unknown, 20);
  EXPECT_THAT(d.Decode(e.Encode({{"new", "2"}})), ElementsAre(Field("new", "2")));
  EXPECT_THAT(d.Decode(e.Encode({{"new", "2"}})), ElementsAre(Field("new", "2")));
}

// Holes as they come under load: every block that is left is decoded.
TEST(HpackDecoder, ALossNowAndThenIsPaidForByWhatIsReadInBetween) {
  Decoder d;
  Encoder e;
  for (int i = 0; i < 2000; ++i) {
    if (i % 10 == 0) d.hpack.Lose();
    ASSERT_NE(d.Decode(e.Encode({{":method", "GET"}, {":path", "/" + std::to_string(i)}})), (Fields{{"!", ""}})) << i;
  }
  EXPECT_EQ(d.counters.Get(Counter::kHpackUnpaid), 0u);
}

TEST(HpackDecoder, TheTableIsChargedToTheBudget) {
  MemoryBudget budget(1 << 20);
  Counters counters;
  struct : HpackDecoder::Handler {
    void OnField(std::string_view, std::string_view) override {}
    void OnLongField() override {}
    void OnRestart() override {}
  } ignore;
  {
    HpackDecoder hpack(budget, counters);
    hpack.Lose();
    hpack.Feed("\x82", true, ignore);
    EXPECT_GT(budget.used(), 128u * 100);
  }
  EXPECT_EQ(budget.used(), 0u);
}

// ---- strings that are longer than nghttp2 takes

std::string Length(size_t n) {
  if (n < 127) return std::string(1, static_cast<char>(n));
  std::string out = "\x7f";
  for (n -= 127; n >= 128; n >>= 7) out += static_cast<char>(n | 0x80);
  return out += static_cast<char>(n);
}
std::string Literal(char kind, std::string_view name, std::string_view value) {
  return std::string(1, kind).append(Length(name.size())).append(name).append(Length(value.size())).append(value);
}
const Field kLong{"?", "long"};

TEST(HpackDecoder, AFieldOfAnyLengthIsLeftOutAndTheTableStaysRight) {
  const std::string giant(100000, 'g');
  for (const char kind : {'\x00', '\x10', '\x40'}) {
    for (const size_t piece : {1, 7, 16384, 1 << 20}) {
      Decoder d;
      EXPECT_THAT(d.Decode(Literal('\x40', "a", "1")), ElementsAre(Field("a", "1")));
      d.hpack.ExpectLong();
      EXPECT_THAT(d.Decode(Literal('\x40', "b", "2") + Literal(kind, "giant", giant) + Literal(kind, giant, "giant") +
                               Literal(kind, giant, giant) + Literal('\x40', "c", std::string(65536, 'x')) +
                               Literal('\x40', "d", "4") + "\x82",
                           piece),
                  ElementsAre(Field("b", "2"), kLong, kLong, kLong, Field("c", std::string(65536, 'x')),
                              Field("d", "4"), Field(":method", "GET")));
      EXPECT_THAT(d.Decode("\xbe"), ElementsAre(Field("d", "4"))) << "the newest";
      EXPECT_THAT(d.Decode("\xbf"), ElementsAre(Field("!", ""))) << "what is larger than the table emptied it";
    }
  }
}

TEST(HpackDecoder, AGiantThatIsNotInsertedLeavesTheTableAlone) {
  Decoder d;
  d.Decode(Literal('\x40', "a", "1"));
  d.hpack.ExpectLong();
  EXPECT_THAT(d.Decode(Literal('\x00', "giant", std::string(70000, 'g')) + "\xbe"),
              ElementsAre(kLong, Field("a", "1")));
  EXPECT_THAT(d.Decode("\xbe"), ElementsAre(Field("a", "1")));
}

TEST(HpackDecoder, AGiantThatMayHaveItsPlaceInALargeTableIsNotReadable) {
  Decoder d;
  d.hpack.Allow(1 << 20);
  d.Decode("\x3f\xe1\xff\x3f" + Literal('\x40', "a", "1"));
  d.hpack.ExpectLong();
  EXPECT_THAT(d.Decode(Literal('\x40', "giant", std::string(70000, 'g'))), ElementsAre(Field("!", "")));
  EXPECT_THAT(d.Decode("\xbf"), ElementsAre(Field("", ""))) << "unknown, not wrong";
}

TEST(HpackDecoder, LengthsWithoutEndAreNotReadable) {
  Decoder d;
  d.hpack.ExpectLong();
  EXPECT_THAT(d.Decode(std::string("\0\1n\x7f\xff\xff\xff\xff\xff\xff\xff\xff", 12)), ElementsAre(Field("!", "")));
}

// Whatever is in a block, reading it through the cutter is the same as without, as long as nothing is too long.
TEST(HpackDecoder, BlocksThatMightHoldGiantsButDoNotAreReadAsEver) {
  std::mt19937 random(65536);
  const auto pick = [&random](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  Encoder e;
  Decoder d;
  for (int block = 0; block < 500; ++block) {
    Fields fields;
    for (size_t n = 1 + pick(20); n > 0; --n)
      fields.emplace_back(std::string(1 + pick(pick(2) == 0 ? 4 : 400), static_cast<char>('a' + pick(3))),
                          std::string(pick(pick(10) == 0 ? 20000 : 40), static_cast<char>('a' + pick(3))));
    if (pick(20) == 0) e.Resize(pick(2) == 0 ? 0 : 4096);
    d.hpack.ExpectLong();
    ASSERT_THAT(d.Decode(e.Encode(fields), 1 + pick(300)), fields);
  }
}

// Random fields over encoders of many sizes, joined at a random block, with changes of the table's size in between.
TEST(HpackDecoder, NothingDecodedAfterAJoinIsEverWrong) {
  std::mt19937 random(7541);
  const auto pick = [&random](size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(random); };
  size_t exact = 0, unknown = 0, undecodable = 0;
  for (int round = 0; round < 400; ++round) {
    const size_t sizes[] = {0, 64, 512, 4096, 8192, 65536};
    const size_t size = sizes[pick(std::size(sizes))];
    Encoder e(65536);
    e.Resize(size);
    Decoder d;
    const size_t join = pick(60);
    for (size_t block = 0; block < 90; ++block) {
      if (block >= join && pick(40) == 0) e.Resize(sizes[pick(std::size(sizes))]);
      Fields fields;
      for (size_t n = 1 + pick(8); n > 0; --n) {
        const size_t kind = pick(4);
        if (kind == 0) fields.emplace_back(":method", pick(2) == 0 ? "GET" : "PUT");
        if (kind == 1) fields.emplace_back("x-" + std::to_string(pick(200)), "v");
        if (kind == 2) fields.emplace_back("cookie", std::string(pick(300), 'c') + std::to_string(pick(10)));
        if (kind == 3) fields.emplace_back("n" + std::to_string(pick(6)), std::to_string(pick(3)));
      }
      const std::string wire = e.Encode(fields);
      if (block < join) continue;
      if (block == join) d.hpack.Lose();
      const Fields seen = d.Decode(wire, 1 + pick(100));
      if (seen == Fields{{"!", ""}}) {
        ++undecodable;
        continue;
      }
      ASSERT_EQ(seen.size(), fields.size());
      for (size_t i = 0; i < seen.size(); ++i) {
        if (seen[i].first.empty()) {
          ++unknown;
          continue;
        }
        ++exact;
        ASSERT_EQ(seen[i], fields[i]);
      }
    }
  }
  EXPECT_GT(exact, 10 * unknown);
  EXPECT_GT(unknown, 1000u);
  EXPECT_EQ(undecodable, 0u);
}

}  // namespace
}  // namespace podtap
