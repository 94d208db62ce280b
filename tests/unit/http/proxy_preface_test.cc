// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/proxy_preface.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/http/story.h"

namespace podtap {
namespace {

using namespace std::string_literals;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Direction kIn = Direction::kIngress;
const std::string kLine = "PROXY TCP4 203.0.113.7 10.0.0.1 51234 80\r\n";
const std::string kNone = "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"s;  // LOCAL, of a health check
const std::string kBinary = "\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x13"s +
                            "\xcb\x00\x71\x07\x0a\x00\x00\x01\xc8\x22\x00\x50"s +
                            "\x03\x00\x04\x12\x34\x56\x78"s;  // with a CRC32c

TEST(ProxyPreface, IsKnownOnlyWhenItIsWhole) {
  for (const std::string& preface :
       {kLine, "PROXY UNKNOWN\r\n"s, "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"s, kNone, kBinary}) {
    for (size_t n = 0; n < preface.size(); ++n) EXPECT_EQ(ProxyPrefaceBytes(preface.substr(0, n)), std::nullopt) << n;
    EXPECT_EQ(ProxyPrefaceBytes(preface), preface.size());
    EXPECT_EQ(ProxyPrefaceBytes(preface + "GET / HTTP/1.1\r\n"), preface.size());
  }
}

TEST(ProxyPreface, OthersAreNone) {
  for (const std::string& text :
       {"PROXY /x HTTP/1.1\r\n"s, "GET / HTTP/1.1\r\n"s, "\r\nGET / HTTP/1.1\r\n"s, "PROPFIND"s,
        "PROXY TCP4 1.2.3.4\n"s, "PROXY TCP4 \x01\r\n"s, "PROXY TCP4 1\rx"s, "PRI * HTTP/2.0\r\n"s,
        "PROXY TCP4 "s + std::string(107, '1'), "\r\n\r\n\0\r\nQUIT\n\x11"s, "\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff"s})
    EXPECT_EQ(ProxyPrefaceBytes(text), 0u) << text;
}

TEST(ProxyPreface, WhatFollowsItIsTheConnection) {
  for (const std::string& preface : {kLine, kNone, kBinary}) {
    Story whole;
    whole.Open().Ingress(preface + Get("/1")).Egress(Ok("1")).Ingress(Get("/2")).Egress(Ok("2")).Close();
    EXPECT_THAT(Briefs(whole.events()), ElementsAre("GET /1 200", "GET /2 200"));
    EXPECT_THAT(TagTexts(whole[0]), IsEmpty());
    EXPECT_TRUE(whole[0].complete);
    EXPECT_EQ(whole.table().budget.used(), 0u);

    Story apart;
    apart.Open().Ingress(preface).Ingress(Get("/1")).Egress(Ok("1")).Close();
    EXPECT_THAT(Briefs(apart.events()), ElementsAre("GET /1 200"));

    Story slow;
    slow.Open().Slowly(kIn, preface + Get("/1")).Egress(Ok("1")).Close();
    EXPECT_THAT(Briefs(slow.events()), ElementsAre("GET /1 200"));
    EXPECT_EQ(slow[0].request.header_bytes, whole[0].request.header_bytes);
  }
}

TEST(ProxyPreface, BeforeTlsAndHttp2AndOthers) {
  Story tls;
  tls.Open().Ingress(kLine + "\x16\x03\x01\x02\x00\x01"s).Close();
  EXPECT_EQ(tls.Count(Counter::kConnectionsTls), 1u);
  Story http2;
  http2.Open().Ingress(kBinary + "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").Close();
  EXPECT_EQ(http2.Count(Counter::kConnectionsHttp2), 1u);
  Story other;
  other.Open().Ingress(kLine + "\x01\x02").Close();
  EXPECT_EQ(other.Count(Counter::kConnectionsOther), 1u);
}

TEST(ProxyPreface, WhatOnlyBeginsLikeOneIsReadAsWhatItIs) {
  Story method;
  method.Open().Slowly(kIn, "PROXY /x HTTP/1.1\r\nHost: a\r\n\r\n").Egress(Ok("1")).Close();
  EXPECT_THAT(Briefs(method.events()), ElementsAre("PROXY /x 200"));
  Story empty_lines;
  empty_lines.Open().Slowly(kIn, "\r\n\r\n" + Get("/1")).Egress(Ok("1")).Close();
  EXPECT_THAT(Briefs(empty_lines.events()), ElementsAre("GET /1 200"));
}

TEST(ProxyPreface, ConnectionsThatEndInsideOneLeaveNothing) {
  Story s;
  s.Open().Ingress(kLine.substr(0, 20)).End(kIn).Close();
  EXPECT_THAT(s.events(), IsEmpty());
  EXPECT_EQ(s.table().budget.used(), 0u);
}

}  // namespace
}  // namespace podtap
