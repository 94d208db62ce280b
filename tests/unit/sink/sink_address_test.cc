// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "sidecar/sink/sink.h"

namespace podtap {
namespace {

using Kind = SinkAddress::Kind;

TEST(SinkAddress, ReadsAndWritesItsFourForms) {
  const std::pair<const char*, SinkAddress> kForms[] = {{"stdout", {Kind::kStdout, ""}},
                                                        {"file:/var/log/x.json", {Kind::kFile, "/var/log/x.json"}},
                                                        {"file:relative", {Kind::kFile, "relative"}},
                                                        {"unix:/run/x.sock", {Kind::kUnixStream, "/run/x.sock"}},
                                                        {"unix-dgram:/run/x", {Kind::kUnixDatagram, "/run/x"}}};
  for (const auto& [text, address] : kForms) {
    const auto parsed = SinkAddress::Parse(text);
    ASSERT_TRUE(parsed) << text;
    EXPECT_EQ(*parsed, address) << text;
    EXPECT_EQ(address.Text(), text);
  }
}

TEST(SinkAddress, RefusesAnythingElseInOneLineThatNamesTheForms) {
  for (const std::string& text :
       {std::string(), std::string("STDOUT"), std::string("stdout:"), std::string("file"), std::string("file:"),
        std::string("file:/tmp/"), std::string("unix:"), std::string("tcp:1.2.3.4:5"), std::string("/tmp/x"),
        "unix:/" + std::string(107, 'x'), std::string("file:/a\0b", 9)}) {
    const auto parsed = SinkAddress::Parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().exit_code, Error::kUsage);
    EXPECT_EQ(parsed.error().message.find('\n'), std::string::npos);
    for (const char* form : {"stdout", "file:PATH", "unix:PATH", "unix-dgram:PATH"})
      EXPECT_NE(parsed.error().message.find(form), std::string::npos) << parsed.error().message;
  }
  EXPECT_TRUE(SinkAddress::Parse("unix:/" + std::string(106, 'x')));
}

}  // namespace
}  // namespace podtap
