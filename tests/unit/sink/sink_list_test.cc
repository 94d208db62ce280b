// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "sidecar/sink/http_url.h"
#include "sidecar/sink/otlp_options.h"
#include "sidecar/sink/sink.h"

namespace podtap {
namespace {

using Kind = SinkAddress::Kind;

std::vector<SinkConfig> Parse(std::string_view list, Format format = Format::kEve) {
  auto sinks = ParseSinks(list, format);
  EXPECT_TRUE(sinks) << sinks.error().message;
  return sinks ? *sinks : std::vector<SinkConfig>();
}

std::string ErrorOf(std::string_view list) {
  const auto sinks = ParseSinks(list, Format::kEve);
  if (sinks) return "no error";
  EXPECT_EQ(sinks.error().exit_code, Error::kUsage);
  EXPECT_EQ(sinks.error().message.find('\n'), std::string::npos);
  return sinks.error().message;
}

TEST(SinkList, EachSinkHasItsOwnFormat) {
  const auto sinks = Parse("unix:/p?format=proto,otlp:http://h:4318,stdout?format=text,file:/x");
  ASSERT_EQ(sinks.size(), 4u);
  EXPECT_EQ(sinks[0].format, Format::kProto);
  EXPECT_EQ(sinks[0].address.kind, Kind::kUnixStream);
  EXPECT_EQ(sinks[0].address.path, "/p");
  EXPECT_TRUE(sinks[0].address.framed);
  EXPECT_EQ(sinks[1].format, Format::kOtlp);
  EXPECT_EQ(sinks[1].address.Text(), "otlp:http://h:4318/v1/traces");
  EXPECT_EQ(sinks[2].format, Format::kText);
  EXPECT_EQ(sinks[3].format, Format::kEve) << "--format is for those that name none";
  EXPECT_FALSE(sinks[3].address.framed);
}

TEST(SinkList, AnAddressMayHoldTheSeparatorsPercentEncoded) {
  const auto sinks = Parse("file:/a%2Cb%3Fc%25d?format=text,unix:/e%2cf");
  ASSERT_EQ(sinks.size(), 2u);
  EXPECT_EQ(sinks[0].address.path, "/a,b?c%d");
  EXPECT_EQ(sinks[1].address.path, "/e,f");
  EXPECT_EQ(Parse(sinks[0].Text()).front(), sinks[0]) << "what is shown can be given again";
}

TEST(SinkList, MistakesAreUsageErrorsThatSayWhatToWrite) {
  EXPECT_NE(ErrorOf("file:/50%").find("%25"), std::string::npos);
  EXPECT_NE(ErrorOf("stdout,stdout?format=text").find("named twice"), std::string::npos);
  EXPECT_NE(ErrorOf("stdout?colour=red").find("?format=FORMAT"), std::string::npos);
  EXPECT_NE(ErrorOf("stdout?format=xml").find("text, eve, eve-strict or proto"), std::string::npos);
  EXPECT_NE(ErrorOf("otlp:http://h?format=eve").find("takes no format"), std::string::npos);
  EXPECT_NE(ErrorOf("").find("use stdout"), std::string::npos);
  EXPECT_NE(ErrorOf("stdout,,file:/x").find("use stdout"), std::string::npos);
  EXPECT_NE(ErrorOf("file:/1,file:/2,file:/3,file:/4,file:/5,file:/6,file:/7,file:/8,file:/9").find("more than 8"),
            std::string::npos);
}

TEST(SinkList, WhatMayBeASecretIsNotShown) {
  for (const char* sink :
       {"otlp:http://me:hunter2@collector:4318", "otlp:http://hunter2@collector", "otlp:https://collector/?key=hunter2",
        "otlp:http://me:hunter2@[::1]:4318/v1?key=hunter2", "otlp:http://collector/#hunter2"}) {
    const auto refused = ParseSinks(sink, Format::kEve);
    ASSERT_FALSE(refused) << sink;
    EXPECT_EQ(refused.error().message.find("hunter2"), std::string::npos) << refused.error().message;
  }
  const auto pairs = ParsePairs("otlp_headers", "authorization=Bearer a,hunter2");
  ASSERT_FALSE(pairs);
  EXPECT_NE(pairs.error().message.find("item 2"), std::string::npos) << pairs.error().message;
  EXPECT_EQ(pairs.error().message.find("hunter2"), std::string::npos) << pairs.error().message;
}

TEST(TracesUrl, IsReadAsExportersReadTheirEndpoint) {
  EXPECT_EQ(ParseTracesUrl("http://collector")->Text(), "http://collector:4318/v1/traces");
  EXPECT_EQ(ParseTracesUrl("https://c.example:443/")->Text(), "https://c.example:443/v1/traces");
  EXPECT_EQ(ParseTracesUrl("http://c/otlp")->path, "/otlp/v1/traces");
  EXPECT_EQ(ParseTracesUrl("http://c/v1/traces")->path, "/v1/traces");
  const auto v6 = ParseTracesUrl("https://[2001:db8::1]:9999");
  EXPECT_TRUE(v6->tls);
  EXPECT_EQ(v6->host, "2001:db8::1");
  EXPECT_EQ(v6->Authority(), "[2001:db8::1]:9999");
}

TEST(TracesUrl, WhatIsNoneIsRefused) {
  for (const char* text : {"", "h:4318", "grpc://h", "http://", "http://:4318", "http://h:0", "http://h:65536",
                           "http://h:x", "http://h:", "http://a b", "http://u:p@h", "http://[::1", "http://[]:1",
                           "http://h/a b", "http://h/?x=1", "http://h\n", "http://h/#x"})
    EXPECT_FALSE(ParseTracesUrl(text)) << text;
}

}  // namespace
}  // namespace podtap
