// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/json_text.h"

#include "base/utf8.h"

#include <gtest/gtest.h>

namespace podtap {
namespace {

std::string Json(std::string_view text) {
  std::string out;
  AppendJsonString(text, out);
  return out;
}

std::string Base64(std::string_view bytes) {
  std::string out;
  AppendBase64(bytes, out);
  return out;
}

TEST(JsonText, PlainTextIsQuoted) {
  EXPECT_EQ(Json(""), "\"\"");
  EXPECT_EQ(Json("GET /a?b=c&d HTTP/1.1"), "\"GET /a?b=c&d HTTP/1.1\"");
}

TEST(JsonText, EveryAsciiByteIsEscapedOnlyWhenItMustBeAtEveryPlaceInAWord) {
  for (int c = 0; c < 0x80; ++c) {
    for (size_t before = 0; before < 9; ++before) {
      std::string text(before, 'a');
      text += static_cast<char>(c);
      text.append(9, 'z');
      const std::string json = Json(text);
      const bool plain = c >= 0x20 && c != '"' && c != '\\' && c != 0x7f;
      EXPECT_EQ(json == "\"" + text + "\"", plain) << c;
      EXPECT_EQ(json.find('\\') == std::string::npos, plain) << c;
    }
  }
}

TEST(JsonText, EscapesAreTheShortOnesWhereTheyAreUsual) {
  EXPECT_EQ(Json("\"\\\n\r\t"), R"("\"\\\n\r\t")");
  EXPECT_EQ(Json(std::string_view("\0\x1b\x7f", 3)), R"("\u0000\u001b\u007f")");
}

TEST(JsonText, ValidUtf8StaysAndEachBadByteBecomesLatin1) {
  EXPECT_EQ(Json("caf\xc3\xa9 \xf0\x9f\x98\x80"), "\"café 😀\"");
  EXPECT_EQ(Json("caf\xe9"), R"("caf\u00e9")");
  EXPECT_EQ(Json("\xe2\x82"), R"("\u00e2\u0082")");
  EXPECT_EQ(Json("\xc0\x80"), R"("\u00c0\u0080")");
  EXPECT_EQ(Json("\xed\xa0\x80"), R"("\u00ed\u00a0\u0080")");
  EXPECT_EQ(Json("\xc2\x9b"), R"("\u009b")");  // a C1 control
}

TEST(Utf8, LengthsFollowRfc3629) {
  const auto length = [](std::string_view text) { return Utf8Length(text, 0); };
  EXPECT_EQ(length("a"), 1u);
  EXPECT_EQ(length("\xc2\x80"), 2u);
  EXPECT_EQ(length("\xdf\xbf"), 2u);
  EXPECT_EQ(length("\xe0\xa0\x80"), 3u);
  EXPECT_EQ(length("\xed\x9f\xbf"), 3u);
  EXPECT_EQ(length("\xef\xbf\xbf"), 3u);
  EXPECT_EQ(length("\xf0\x90\x80\x80"), 4u);
  EXPECT_EQ(length("\xf4\x8f\xbf\xbf"), 4u);
  for (const std::string_view bad :
       {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xe1\x80",
        "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff"})
    EXPECT_EQ(length(bad), 0u) << testing::PrintToString(bad);
}

// RFC 4648 section 10.
TEST(Base64, TheVectorsOfTheStandard) {
  EXPECT_EQ(Base64(""), "");
  EXPECT_EQ(Base64("f"), "Zg==");
  EXPECT_EQ(Base64("fo"), "Zm8=");
  EXPECT_EQ(Base64("foo"), "Zm9v");
  EXPECT_EQ(Base64("foob"), "Zm9vYg==");
  EXPECT_EQ(Base64("fooba"), "Zm9vYmE=");
  EXPECT_EQ(Base64("foobar"), "Zm9vYmFy");
}

// Bit by bit, as the standard tells it; the buffer grows on the way, as a record's does.
TEST(Base64, EveryLengthAgreesWithASlowEncoderWhileTheBufferGrows) {
  constexpr std::string_view kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t size = 0; size < 600; ++size) {
    std::string bytes;
    for (size_t i = 0; i < size; ++i) bytes += static_cast<char>(i * 151 + size);
    std::string expected = "\"";
    for (size_t bit = 0; bit < size * 8; bit += 6) {
      unsigned digit = 0;
      for (size_t b = bit; b < bit + 6; ++b)
        digit = digit << 1 | (b < size * 8 ? static_cast<uint8_t>(bytes[b / 8]) >> (7 - b % 8) & 1 : 0);
      expected += kDigits[digit];
    }
    while (expected.size() % 4 != 1) expected += '=';
    std::string out = "\"";
    AppendBase64(bytes, out);
    ASSERT_EQ(out, expected) << size;
  }
}

TEST(Base64, HighBytesUseTheWholeAlphabet) {
  EXPECT_EQ(Base64("\xfb\xff\xbf"), "+/+/");
  EXPECT_EQ(Base64("\xff\xff\xff"), "////");
}

}  // namespace
}  // namespace podtap
