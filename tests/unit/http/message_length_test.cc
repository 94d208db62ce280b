// SPDX-License-Identifier: Apache-2.0
// RFC 9112 section 6.3, row by row.
#include "sidecar/http/message_length.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace podtap {
namespace {

using Kind = MessageLength::Kind;
using FieldPairs = std::vector<std::pair<std::string, std::string>>;

struct Row {
  const char* what;
  MessageKind kind;
  FieldPairs fields;
  Kind expected;
  uint64_t length = 0;
  std::vector<Tag> tags = {};
  uint16_t status = 200;
  bool to_head = false;
  bool to_connect = false;
  const char* version = "HTTP/1.1";
};

constexpr MessageKind kReq = MessageKind::kRequest;
constexpr MessageKind kRes = MessageKind::kResponse;
constexpr Tag kAmb = Tag::kAmbiguousLength;
constexpr Tag kMal = Tag::kMalformed;
const std::string kCl = "Content-Length";
const std::string kTe = "Transfer-Encoding";

std::vector<Row> Rows() {
  return {
      {"no fields", kReq, {}, Kind::kNone},
      {"no fields", kRes, {}, Kind::kUntilClose},
      {"length", kReq, {{"content-LENGTH", "5"}}, Kind::kLength, 5},
      {"length", kRes, {{kCl, "5"}}, Kind::kLength, 5},
      {"zero", kRes, {{kCl, "0"}}, Kind::kNone},
      {"leading zeros", kRes, {{kCl, "0005"}}, Kind::kLength, 5},
      {"largest", kRes, {{kCl, "18446744073709551615"}}, Kind::kLength, UINT64_MAX},
      {"overflow", kRes, {{kCl, "18446744073709551616"}}, Kind::kUntilClose, 0, {kAmb, kMal}},
      {"overflow", kReq, {{kCl, "99999999999999999999"}}, Kind::kUntilClose, 0, {kAmb, kMal}},
      {"negative", kReq, {{kCl, "-5"}}, Kind::kNone, 0, {kAmb, kMal}},
      {"plus", kReq, {{kCl, "+5"}}, Kind::kNone, 0, {kAmb, kMal}},
      {"hexadecimal", kRes, {{kCl, "0x5"}}, Kind::kUntilClose, 0, {kAmb, kMal}},
      {"empty", kReq, {{kCl, ""}}, Kind::kNone, 0, {kAmb, kMal}},
      {"equal list", kReq, {{kCl, "5, 5"}}, Kind::kLength, 5, {kAmb}},
      {"equal twice", kReq, {{kCl, "5"}, {kCl, "5"}}, Kind::kLength, 5, {kAmb}},
      {"conflict", kReq, {{kCl, "5"}, {kCl, "6"}}, Kind::kLength, 5, {kAmb}},
      {"conflicting list", kRes, {{kCl, "7,6"}}, Kind::kLength, 7, {kAmb}},
      {"half a list", kReq, {{kCl, "x, 6"}}, Kind::kLength, 6, {kAmb, kMal}},
      {"chunked", kReq, {{kTe, "chunked"}}, Kind::kChunked},
      {"chunked, any case", kRes, {{kTe, "CHUNKED"}}, Kind::kChunked},
      {"chunked last", kRes, {{kTe, "gzip, chunked"}}, Kind::kChunked},
      {"chunked last of two fields", kRes, {{kTe, "gzip"}, {kTe, "chunked"}}, Kind::kChunked},
      {"empty elements", kRes, {{kTe, ", gzip,, chunked ,"}}, Kind::kChunked},
      {"not last", kRes, {{kTe, "chunked, gzip"}}, Kind::kUntilClose, 0, {kAmb}},
      {"not last", kReq, {{kTe, "chunked, gzip"}}, Kind::kUntilClose, 0, {kAmb}},
      {"not at all", kRes, {{kTe, "gzip"}}, Kind::kUntilClose},
      {"not at all", kReq, {{kTe, "gzip"}}, Kind::kUntilClose, 0, {kAmb}},
      {"twice", kReq, {{kTe, "chunked, chunked"}}, Kind::kChunked, 0, {kAmb}},
      {"no token",
       kReq,
       {{kTe,
         "\x0b"
         "chunked"}},
       Kind::kUntilClose,
       0,
       {kAmb}},
      {"empty coding", kReq, {{kTe, ""}}, Kind::kUntilClose, 0, {kAmb}},
      {"coding wins", kReq, {{kCl, "5"}, {kTe, "chunked"}}, Kind::kChunked, 0, {kAmb}},
      {"coding wins", kRes, {{kTe, "chunked"}, {kCl, "5"}}, Kind::kChunked, 0, {kAmb}},
      {"coding in 1.0", kReq, {{kTe, "chunked"}}, Kind::kChunked, 0, {kAmb}, 200, false, false, "HTTP/1.0"},
      {"to HEAD", kRes, {{kCl, "5"}}, Kind::kNone, 0, {}, 200, true},
      {"to HEAD", kRes, {{kTe, "chunked"}}, Kind::kNone, 0, {}, 200, true},
      {"100", kRes, {{kCl, "5"}}, Kind::kNone, 0, {}, 100},
      {"204", kRes, {{kTe, "chunked"}}, Kind::kNone, 0, {}, 204},
      {"304", kRes, {{kCl, "5"}}, Kind::kNone, 0, {}, 304},
      {"205 has one", kRes, {{kCl, "5"}}, Kind::kLength, 5, {}, 205},
      {"tunnel", kRes, {{kCl, "5"}}, Kind::kNone, 0, {}, 200, false, true},
      {"refused tunnel", kRes, {{kCl, "5"}}, Kind::kLength, 5, {}, 407, false, true},
  };
}

TEST(MessageLength, FollowsTheRules) {
  for (const Row& row : Rows()) {
    HeaderList fields;
    for (const auto& [name, value] : row.fields) fields.Add(name, value);
    const MessageLength length = LengthOf({.kind = row.kind,
                                           .version = row.version,
                                           .status = row.status,
                                           .to_head = row.to_head,
                                           .to_connect = row.to_connect,
                                           .fields = &fields});
    const std::string what = std::string(row.what) + (row.kind == kReq ? " (request)" : " (response)");
    EXPECT_EQ(length.kind, row.expected) << what;
    EXPECT_EQ(length.length, row.length) << what;
    for (const Tag tag : {kAmb, kMal})
      EXPECT_EQ(length.tags.Has(tag), std::count(row.tags.begin(), row.tags.end(), tag) == 1) << what << TextOf(tag);
  }
}

}  // namespace
}  // namespace podtap
