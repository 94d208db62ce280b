// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>

#include "sidecar/sink/sink.h"
#include "tests/unit/sink/sample_event.h"

namespace podtap {
namespace {

class TextEncoder : public testing::Test {
 protected:
  TextEncoder() { SetZone("UTC"); }
  ~TextEncoder() override { SetZone("UTC"); }
  static void SetZone(const char* zone) {
    setenv("TZ", zone, 1);
    tzset();
  }
  static std::string Line(const HttpEvent& event, bool colours = false, bool without_bodies = false) {
    std::string out;
    MakeTextEncoder(colours)->Encode(event, without_bodies, out);
    return out;
  }
  HttpEvent event_ = SampleEvent();
};

TEST_F(TextEncoder, AnIngressExchangeIsOneLine) {
  EXPECT_EQ(Line(event_), "12:00:01.123 ◀ GET /api?x=1 200 1.3ms 0B/150B 10.0.0.7:51234\n");
}

TEST_F(TextEncoder, AGrpcCallShowsItsStatus) {
  event_.grpc = GrpcCall{};
  EXPECT_EQ(Line(event_), "12:00:01.123 ◀ GET /api?x=1 200 1.3ms 0B/150B 10.0.0.7:51234 grpc=-\n");
  event_.grpc->status = 5;
  EXPECT_TRUE(Line(event_).ends_with(" grpc=NOT_FOUND\n"));
  event_.grpc->status = 77;
  EXPECT_TRUE(Line(event_).ends_with(" grpc=77\n"));
}

TEST_F(TextEncoder, AnEgressExchangeShowsTheServer) {
  event_.connection.role = Role::kOpened;
  event_.connection.remote = Endpoint::V4(93, 184, 216, 34, 80);
  EXPECT_EQ(Line(event_), "12:00:01.123 ▶ GET /api?x=1 200 1.3ms 0B/150B 93.184.216.34:80\n");
}

TEST_F(TextEncoder, TheTimeOfDayIsThatOfTheMachinesZone) {
  SetZone("EST5");
  EXPECT_TRUE(Line(event_).starts_with("07:00:01.123 "));
}

TEST_F(TextEncoder, AnIncompleteExchangeIsMarkedAndItsTagsShown) {
  event_.complete = false;
  event_.tags.Add(Tag::kLost);
  event_.tags.Add(Tag::kTruncated);
  EXPECT_EQ(Line(event_),
            "12:00:01.123 ◀ GET /api?x=1 200 1.3ms 0B/150B 10.0.0.7:51234 !incomplete [truncated,lost]\n");
}

TEST_F(TextEncoder, TagsOfACompleteExchangeStandAlone) {
  event_.tags.Add(Tag::kUpgrade);
  EXPECT_TRUE(Line(event_).ends_with(" 10.0.0.7:51234 [upgrade]\n"));
}

TEST_F(TextEncoder, WithoutBodiesIsATag) { EXPECT_TRUE(Line(event_, false, true).ends_with(" [bodies_dropped]\n")); }

TEST_F(TextEncoder, WhatWasNeverSeenIsADash) {
  event_.response = HttpMessage();
  event_.status = 0;
  EXPECT_EQ(Line(event_), "12:00:01.123 ◀ GET /api?x=1 - 0.00ms 0B/0B 10.0.0.7:51234\n");
  event_ = SampleEvent();
  event_.request = HttpMessage();
  event_.method.clear();
  event_.target.clear();
  EXPECT_EQ(Line(event_), "12:00:01.123 ◀ - - 200 0.3ms 0B/150B 10.0.0.7:51234\n");
}

TEST_F(TextEncoder, IPv6AddressesStandInBrackets) {
  event_.connection.remote.address = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  EXPECT_TRUE(Line(event_).ends_with(" [2001:db8::1]:51234\n"));
}

TEST_F(TextEncoder, DurationsAndSizesUseUnitsThatFit) {
  const auto duration = [&](uint64_t ns) {
    event_.response.end = Timestamp{event_.request.start.ns + ns};
    event_.request.end = event_.request.start;
    const std::string line = Line(event_);
    const size_t at = line.find(" 200 ") + 5;
    return line.substr(at, line.find(' ', at) - at);
  };
  EXPECT_EQ(duration(0), "0.00ms");
  EXPECT_EQ(duration(42'000), "0.04ms");
  EXPECT_EQ(duration(99'999), "0.09ms");
  EXPECT_EQ(duration(100'000), "0.1ms");
  EXPECT_EQ(duration(15'340'000), "15.3ms");
  EXPECT_EQ(duration(153'900'000), "153ms");
  EXPECT_EQ(duration(2'450'000'000), "2.4s");
  EXPECT_EQ(duration(3'600'000'000'000), "3600.0s");
  const auto size = [&](uint64_t bytes) {
    event_.response.body_bytes = bytes;
    const std::string line = Line(event_);
    const size_t at = line.find("B/") + 2;
    return line.substr(at, line.find(' ', at) - at);
  };
  EXPECT_EQ(size(0), "0B");
  EXPECT_EQ(size(1023), "1023B");
  EXPECT_EQ(size(1024), "1.0KiB");
  EXPECT_EQ(size(1536), "1.5KiB");
  EXPECT_EQ(size(64ull << 20), "64.0MiB");
  EXPECT_EQ(size((5ull << 30) + (1ull << 29)), "5.5GiB");
  EXPECT_EQ(size(UINT64_MAX), "17179869183.9GiB");
}

TEST_F(TextEncoder, AHostileTargetCannotSteerATerminal) {
  event_.target = "/\x1b]0;owned\x07\x1b[2J\r\n12:00:02.000 fake\x7f";
  EXPECT_EQ(Line(event_),
            "12:00:01.123 ◀ GET /\\x1b]0;owned\\x07\\x1b[2J\\x0d\\x0a12:00:02.000\\x20fake\\x7f 200 1.3ms 0B/150B "
            "10.0.0.7:51234\n");
}

TEST_F(TextEncoder, InvalidUtf8AndInvisibleCharactersAreEscaped) {
  event_.target =
      "/caf\xc3\xa9/\xff\xc3/\xe2\x80\xae"
      "cod.exe/\xc2\x9b"
      "31m/\\x41";
  EXPECT_NE(Line(event_).find(" /café/\\xff\\xc3/\\xe2\\x80\\xaecod.exe/\\xc2\\x9b31m/\\\\x41 "), std::string::npos)
      << Line(event_);
}

TEST_F(TextEncoder, AHostileMethodIsEscapedToo) {
  event_.method = "GE\tT";
  EXPECT_NE(Line(event_).find(" ◀ GE\\x09T /api"), std::string::npos);
}

TEST_F(TextEncoder, ColoursComeOnlyWhenAskedFor) {
  EXPECT_EQ(Line(event_).find('\x1b'), std::string::npos);
  EXPECT_NE(Line(event_, true).find("\x1b[32m200\x1b[0m"), std::string::npos);
  event_.status = 503;
  EXPECT_NE(Line(event_, true).find("\x1b[31m503\x1b[0m"), std::string::npos);
  event_.status = 404;
  EXPECT_NE(Line(event_, true).find("\x1b[33m404\x1b[0m"), std::string::npos);
  event_.status = 302;
  EXPECT_NE(Line(event_, true).find("\x1b[36m302\x1b[0m"), std::string::npos);
}

}  // namespace
}  // namespace podtap
