// SPDX-License-Identifier: Apache-2.0
// Heads: what Beast takes, and what the tolerant splitter makes of the rest.
#include "sidecar/http/http1_head.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sidecar/http/head_scan.h"
#include "sidecar/http/tolerant_head.h"
#include "tests/unit/http/story.h"

namespace podtap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::string_view_literals;
using namespace std::string_literals;

struct Result {
  bool ok = false;
  Http1Head head;
  std::vector<std::string> fields;
  std::vector<std::string> tags;
};

Result Read(MessageKind kind, std::string_view text) {
  HeadScan scan;
  EXPECT_EQ(scan.Scan(text), text.size()) << "no whole head";
  Result result;
  HeaderList fields;
  result.ok = ParseHead(kind, text, scan.shape(), fields, result.head);
  result.fields = Fields(fields);
  HttpEvent event;
  event.tags = result.head.tags;
  result.tags = TagTexts(event);
  return result;
}
Result Request(std::string_view text) { return Read(MessageKind::kRequest, text); }
Result Response(std::string_view text) { return Read(MessageKind::kResponse, text); }

TEST(Http1Head, WellFormedHeadsAreStrict) {
  const Result r = Request("GET /a HTTP/1.1\r\nHost: h\r\nA:\r\nB:  x y\t\r\n\r\n");
  EXPECT_TRUE(r.ok && r.head.strict);
  EXPECT_EQ(r.head.method, "GET");
  EXPECT_THAT(r.fields, ElementsAre("Host: h", "A: ", "B: x y"));
  EXPECT_THAT(r.tags, IsEmpty());
  const Result s = Response("HTTP/1.0 404 \r\n\r\n");
  EXPECT_TRUE(s.ok && s.head.strict);
  EXPECT_EQ(s.head.status, 404);
  EXPECT_EQ(s.head.version, "HTTP/1.0");
  EXPECT_EQ(s.head.reason, "");
}

TEST(Http1Head, BareLineFeeds) {
  const Result r = Request("GET /a HTTP/1.1\nHost: h\nA: 1\r\n\n");
  EXPECT_TRUE(r.ok && !r.head.strict);
  EXPECT_THAT(r.fields, ElementsAre("Host: h", "A: 1"));
  EXPECT_THAT(r.tags, ElementsAre("malformed"));
}

TEST(Http1Head, NoSpaceAfterTheStatus) {
  const Result r = Response("HTTP/1.1 200\r\nA: 1\r\n\r\n");
  EXPECT_EQ(r.head.status, 200);
  EXPECT_THAT(r.fields, ElementsAre("A: 1"));
  EXPECT_THAT(r.tags, ElementsAre("malformed"));
}

TEST(Http1Head, SpaceBeforeTheColon) {
  EXPECT_THAT(Request("GET / HTTP/1.1\r\nHost : h\r\n\r\n").fields, ElementsAre("Host: h"));
  EXPECT_THAT(Request("GET / HTTP/1.1\r\nHost : h\r\n\r\n").tags, ElementsAre("malformed"));
  EXPECT_THAT(Request("GET / HTTP/1.1\r\nTransfer-Encoding : chunked\r\n\r\n").tags,
              ElementsAre("malformed", "ambiguous_length"));
  EXPECT_THAT(Request("GET / HTTP/1.1\r\nContent-Length\x0b: 3\r\n\r\n").tags,
              ElementsAre("malformed", "ambiguous_length"));
}

TEST(Http1Head, ControlCharacters) {
  const Result r = Request("GET / HTTP/1.1\r\nA: x\x01y\r\nB\x00: 1\r\nC: a\rb\r\n\r\n"sv);
  EXPECT_THAT(r.fields, ElementsAre("A: x\x01y", "B\0: 1"s, "C: a\rb"));
  EXPECT_THAT(r.tags, ElementsAre("malformed"));
  EXPECT_THAT(Request("GET /\x01 HTTP/1.1\r\n\r\n").tags, ElementsAre("malformed"));
  EXPECT_THAT(Response("HTTP/1.1 200 O\x7fK\r\n\r\n").tags, ElementsAre("malformed"));
}

TEST(Http1Head, FoldedLines) {
  const Result r = Request("GET / HTTP/1.1\r\nA: one\r\n  two\r\n\tthree\r\nB: 1\r\n\r\n");
  EXPECT_THAT(r.fields, ElementsAre("A: one two three", "B: 1"));
  EXPECT_THAT(r.tags, ElementsAre("malformed"));
  const Result s = Request("GET / HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n");
  EXPECT_THAT(s.fields, ElementsAre("Transfer-Encoding: chunked"));
  EXPECT_THAT(s.tags, ElementsAre("malformed", "ambiguous_length"));
  EXPECT_THAT(Request("GET / HTTP/1.1\r\n A: 1\r\n\r\n").fields, ElementsAre("A: 1"));
}

TEST(Http1Head, FieldsWithoutColonAreKept) {
  const Result r = Request("GET / HTTP/1.1\r\nContent-Length 5\r\nodd\r\n: x\r\n\r\n");
  EXPECT_THAT(r.fields, ElementsAre("Content-Length: 5", "odd: ", ": x"));
  EXPECT_THAT(r.tags, ElementsAre("malformed", "ambiguous_length"));
}

TEST(Http1Head, OddStartLines) {
  for (const auto text : {"GET  /a HTTP/1.1\r\n\r\n"sv, "GET\t/a HTTP/1.1\r\n\r\n"sv, "GET /a HTTP/1.1 \r\n\r\n"sv,
                          "GET /a HTTP/1.2\r\n\r\n"sv, "GET /a HTTP/1.1\r\r\n\r\n"sv, "GET /a HTTP/3\r\n\r\n"sv,
                          "GET /a HTTP/0.9\r\n\r\n"sv}) {
    const Result r = Request(text);
    EXPECT_TRUE(r.ok) << text;
    EXPECT_EQ(r.head.target, "/a") << text;
    EXPECT_THAT(r.tags, ElementsAre("malformed")) << text;
  }
  EXPECT_EQ(Request("GET /a b c HTTP/1.1\r\n\r\n").head.target, "/a b c");
  EXPECT_EQ(Request("GET /a HTTP/3\r\n\r\n").head.version, "HTTP/3");
  for (const auto text : {"HTTP/1.1  200 OK\r\n\r\n"sv, "HTTP/1.7 200 OK\r\n\r\n"sv, "HTTP/2 200\r\n\r\n"sv}) {
    const Result r = Response(text);
    EXPECT_EQ(r.head.status, 200) << text;
    EXPECT_THAT(r.tags, ElementsAre("malformed")) << text;
  }
}

TEST(Http1Head, WhatIsNoStartLine) {
  for (const auto text :
       {"GET\r\n\r\n"sv, "GET / HTP/1.1\r\n\r\n"sv, "G@T / HTTP/1.1\r\n\r\n"sv, " GET / HTTP/1.1\r\n\r\n"sv,
        "HTTP/1.1 200 OK\r\n\r\n"sv, "PRI * HTTP/2.0\r\n\r\n"sv, "GET /\x01\r\n\r\n"sv})
    EXPECT_FALSE(Request(text).ok) << text;
  for (const auto text : {"HTTP/1.1 2000 OK\r\n\r\n"sv, "HTTP/1.1 20\r\n\r\n"sv, "HTTP/x.1 200 OK\r\n\r\n"sv,
                          "HTTP/1.1 099 X\r\n\r\n"sv, "GET / HTTP/1.1\r\n\r\n"sv, "HTTP/1.1.1 200 OK\r\n\r\n"sv})
    EXPECT_FALSE(Response(text).ok) << text;
}

TEST(Http1Head, TheEndIsFoundHoweverTheBytesAreCut) {
  for (const auto text : {"G / HTTP/1.1\r\nA: b\r\n\r\n"sv, "G / HTTP/1.1\n\n"sv, "G / HTTP/1.1\r\nA\n\r\n"sv,
                          "x\r\r\n\r\n"sv, "x\n\ry\n\n"sv, "x\r\n\ty\r\n\r\n"sv}) {
    for (size_t cut = 0; cut <= text.size(); ++cut) {
      HeadScan scan;
      const size_t first = scan.Scan(text.substr(0, cut));
      EXPECT_EQ(first, cut == text.size() ? text.size() : HeadScan::kNotYet) << text;
      if (cut != text.size()) {
        EXPECT_EQ(scan.Scan(text.substr(cut)), text.size() - cut) << text;
      }
    }
  }
}

}  // namespace
}  // namespace podtap
