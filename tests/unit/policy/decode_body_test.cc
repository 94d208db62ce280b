// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/decode_body.h"

#include <brotli/encode.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/unit/policy/codings.h"

namespace podtap {
namespace {

using Outcome = Decoded::Outcome;

std::string Text(size_t size) {
  std::string text;
  for (size_t i = 0; text.size() < size; ++i) text += "line " + std::to_string(i * 7919 % 100'000) + "\n";
  text.resize(size);
  return text;
}

TEST(DecodeBody, UndoesEachCoding) {
  const std::string text = Text(100'000);
  for (const auto& [coding, body] : {std::pair{"gzip", ByZlib(text, 31)},
                                     {"x-gzip", ByZlib(text, 31)},
                                     {"deflate", ByZlib(text, 15)},
                                     {"deflate", ByZlib(text, -15)},
                                     {"br", ByBrotli(text)},
                                     {"zstd", ByZstd(text)},
                                     {"BR", ByBrotli(text)},
                                     {"gzip, br", ByBrotli(ByZlib(text, 31))},
                                     {"identity,zstd ", ByZstd(text)},
                                     {"identity", text},
                                     {"", text}}) {
    const Decoded decoded = DecodeBody(coding, body, {});
    EXPECT_EQ(decoded.outcome, Outcome::kWhole) << coding;
    EXPECT_TRUE(decoded.text == text) << coding;
  }
}

TEST(DecodeBody, OfABodyThatWasCutItsBeginning) {
  const std::string text = Text(100'000);
  for (const auto& [coding, body] :
       {std::pair{"gzip", ByZlib(text, 31)}, {"br", ByBrotli(text)}, {"zstd", ByZstd(text)}}) {
    const Decoded decoded = DecodeBody(coding, body.substr(0, body.size() * 3 / 4), {});
    EXPECT_EQ(decoded.outcome, Outcome::kCut) << coding;
    EXPECT_TRUE(text.starts_with(decoded.text)) << coding;
  }
}

TEST(DecodeBody, StopsAtItsLimit) {
  const std::string text = Text(100'000);
  for (const auto& [coding, body] :
       {std::pair{"gzip", ByZlib(text, 31)}, {"br", ByBrotli(text)}, {"zstd", ByZstd(text)}}) {
    const Decoded decoded = DecodeBody(coding, body, {.max_bytes = 5000});
    EXPECT_EQ(decoded.outcome, Outcome::kCut) << coding;
    EXPECT_EQ(decoded.text, text.substr(0, 5000)) << coding;
  }
}

TEST(DecodeBody, ABombIsNotDecoded) {
  const std::string zeros(50 << 20, '\0');
  for (const auto& [coding, body] :
       {std::pair{"gzip", ByZlib(zeros, 31)}, {"br", ByBrotli(zeros)}, {"zstd", ByZstd(zeros)}}) {
    const Decoded decoded = DecodeBody(coding, body, {.max_bytes = 100 << 20});
    EXPECT_EQ(decoded.outcome, Outcome::kTooMuch) << coding;
    EXPECT_TRUE(decoded.text.empty());
  }
}

TEST(DecodeBody, WhatIsNotWhatItsCodingSaysIsBroken) {
  for (const char* coding : {"gzip", "deflate", "br", "zstd", "compress", "gzip,gzip,gzip,gzip"})
    EXPECT_EQ(DecodeBody(coding, "\xff\xfe this is plain text, not coded", {}).outcome, Outcome::kBroken) << coding;
}

}  // namespace
}  // namespace podtap
