// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/http_fields.h"

#include <gtest/gtest.h>

namespace podtap {
namespace {

std::string Host(std::string_view target, std::string_view host, std::string_view method = "GET") {
  const RequestHost found = HostOf(method, target, host);
  return std::string(found.name) + (found.port ? " " + std::to_string(*found.port) : "");
}

TEST(RequestHost, IsTheHostFieldWithoutItsPort) {
  EXPECT_EQ(Host("/", "a.example"), "a.example");
  EXPECT_EQ(Host("/", "a.example:8080"), "a.example 8080");
  EXPECT_EQ(Host("/", ""), "");
  EXPECT_EQ(Host("*", "a.example"), "a.example");
}

TEST(RequestHost, AnAbsoluteTargetWins) {
  EXPECT_EQ(Host("http://b.example/x", "a.example"), "b.example");
  EXPECT_EQ(Host("http://b.example:81?x", "a.example"), "b.example 81");
  EXPECT_EQ(Host("HTTPS://user:pw@b.example:81/", "a.example"), "b.example 81");
  EXPECT_EQ(Host("http:///x", "a.example"), "a.example");
}

TEST(RequestHost, APathThatHoldsAUrlIsStillAPath) {
  EXPECT_EQ(Host("/redirect?to=http://b.example/", "a.example"), "a.example");
  EXPECT_EQ(Host("1http://b.example/", "a.example"), "a.example");
  EXPECT_EQ(Host("://b.example/", "a.example"), "a.example");
}

TEST(RequestHost, ConnectNamesItInItsTarget) {
  EXPECT_EQ(Host("b.example:443", "a.example", "CONNECT"), "b.example 443");
  EXPECT_EQ(Host("", "a.example", "CONNECT"), "a.example");
  EXPECT_EQ(Host("/chat", "a.example:81", "CONNECT"), "a.example 81") << "an extended one, of HTTP/2";
}

TEST(RequestHost, IPv6LiteralsKeepTheirBrackets) {
  EXPECT_EQ(Host("/", "[2001:db8::1]:8080"), "[2001:db8::1] 8080");
  EXPECT_EQ(Host("/", "[2001:db8::1]"), "[2001:db8::1]");
  EXPECT_EQ(Host("/", "2001:db8::1"), "2001:db8::1");
  EXPECT_EQ(Host("/", "[2001:db8::1"), "[2001:db8::1");
}

TEST(RequestHost, APortThatIsNoneIsLeftOut) {
  EXPECT_EQ(Host("/", "a.example:"), "a.example");
  EXPECT_EQ(Host("/", "a.example:65535"), "a.example 65535");
  EXPECT_EQ(Host("/", "a.example:65536"), "a.example");
  EXPECT_EQ(Host("/", "a.example:-1"), "a.example");
  EXPECT_EQ(Host("/", "a.example:http"), "a.example");
}

TEST(ContentRange, IsReadInItsThreeForms) {
  const ContentRange whole = ParseContentRange("bytes 0-99/200");
  EXPECT_EQ(whole.start, 0u);
  EXPECT_EQ(whole.end, 99u);
  EXPECT_EQ(whole.size, 200u);
  const ContentRange unsatisfied = ParseContentRange("bytes */200");
  EXPECT_FALSE(unsatisfied.start || unsatisfied.end);
  EXPECT_EQ(unsatisfied.size, 200u);
  const ContentRange unknown = ParseContentRange("bytes 5-9/*");
  EXPECT_EQ(unknown.start, 5u);
  EXPECT_EQ(unknown.end, 9u);
  EXPECT_FALSE(unknown.size);
}

TEST(ContentRange, NonsenseGivesNothing) {
  for (const char* text : {"", "bytes", "bytes ", "bytes 1-2", "bytes -/", "bytes 99999999999999999999-1x/y"}) {
    const ContentRange range = ParseContentRange(text);
    EXPECT_FALSE(range.start || range.end || range.size) << text;
  }
}

TEST(MediaType, EndsAtTheFirstParameter) {
  EXPECT_EQ(MediaType("text/html; charset=utf-8"), "text/html");
  EXPECT_EQ(MediaType("text/html ;charset=utf-8"), "text/html");
  EXPECT_EQ(MediaType("text/html"), "text/html");
  EXPECT_EQ(MediaType(";"), "");
}

}  // namespace
}  // namespace podtap
