// SPDX-License-Identifier: Apache-2.0
#include "sidecar/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace podtap {
namespace {

// gflags keep their values, so each test says what it needs and puts the defaults back.
const std::vector<std::string> kDefaults = {
    "mode=ingress", "sink=stdout",           "format=eve",         "ring_bytes=8388608", "log_level=info",    "cgroup=",
    "pod_uid=",     "max_body_bytes=131072", "keep_running=false", "check_config=false", "redact_headers=a,b"};

ParseOutcome Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "podtap-sidecar");
  return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data(), kDefaults);
}

std::string ErrorOf(std::vector<const char*> arguments) {
  const ParseOutcome outcome = Parse(std::move(arguments));
  if (outcome.command_line) return "no error";
  EXPECT_EQ(outcome.command_line.error().exit_code, Error::kUsage);
  EXPECT_EQ(outcome.command_line.error().message.find('\n'), std::string::npos);
  return outcome.command_line.error().message;
}

TEST(Config, TakesValuesAfterEqualsSignOrAsTheNextWord) {
  const ParseOutcome outcome =
      Parse({"--mode=egress", "--max_body_bytes", "10", "--keep_running", "--sink=unix:/run/a"});
  ASSERT_TRUE(outcome.command_line) << outcome.command_line.error().message;
  const Config& config = outcome.command_line->config;
  EXPECT_EQ(config.mode, Mode::kEgress);
  EXPECT_EQ(config.http.max_body_bytes, 10u);
  EXPECT_TRUE(config.keep_running);
  EXPECT_EQ(config.sinks[0].address.kind, SinkAddress::Kind::kUnixStream);
  EXPECT_EQ(config.sinks[0].address.path, "/run/a");
}

TEST(Config, WhatFollowsTheDoubleDashIsTheCommand) {
  const ParseOutcome outcome = Parse({"--mode=all", "--", "curl", "--mode=x"});
  ASSERT_TRUE(outcome.command_line);
  EXPECT_EQ(outcome.command_line->rest, (std::vector<std::string>{"curl", "--mode=x"}));
}

TEST(Config, ListsDropSpacesAndEmptyItems) {
  const ParseOutcome outcome = Parse({"--redact_headers= authorization ,, cookie"});
  ASSERT_TRUE(outcome.command_line);
  EXPECT_EQ(outcome.command_line->config.redact_headers, (std::vector<std::string>{"authorization", "cookie"}));
  EXPECT_TRUE(Parse({"--redact_headers="}).command_line->config.redact_headers.empty());
}

TEST(Config, FlagsAfterAMistakeStillSayWhereToServeAndWhetherToStay) {
  for (const char* stay : {"--keep_running", "--keep-running", "-keep_running=true", "--keep_running=1"}) {
    const ParseOutcome outcome =
        Parse({"--of_a_newer_version=1", "--mode=sideways", "--admin_address=[::]:9096", stay});
    ASSERT_FALSE(outcome.command_line);
    EXPECT_NE(outcome.command_line.error().message.find("of_a_newer_version"), std::string::npos);
    EXPECT_TRUE(outcome.keep_running) << stay;
    EXPECT_TRUE(outcome.without_target.keep_running);
    EXPECT_EQ(outcome.without_target.admin_addresses, std::vector<std::string>{"[::]:9096"});
  }
  EXPECT_FALSE(Parse({"--keep_running=false", "--of_a_newer_version=1"}).keep_running);
  EXPECT_FALSE(Parse({"--of_a_newer_version=--keep_running"}).keep_running);
}

TEST(Config, WhatIsToWaitOrToCheckNeverStays) {
  EXPECT_FALSE(Parse({"--keep_running", "--wait_until_attached_ms=soon"}).keep_running);
  EXPECT_FALSE(Parse({"--keep_running", "--bogus", "--check-config"}).keep_running);
}

TEST(Config, EachMistakeIsOneLineThatSaysWhatToUse) {
  EXPECT_NE(ErrorOf({"--mode=sideways"}).find("ingress, egress, all or off"), std::string::npos);
  EXPECT_NE(ErrorOf({"--format=xml"}).find("text, eve, eve-strict or proto"), std::string::npos);
  EXPECT_NE(ErrorOf({"--sink=ftp:/x"}).find("unix:"), std::string::npos);
  EXPECT_NE(ErrorOf({"--log_level=loud"}).find("debug"), std::string::npos);
  EXPECT_NE(ErrorOf({"--ring_bytes=1000000"}).find("power of two"), std::string::npos);
  EXPECT_NE(ErrorOf({"--ring_bytes=1024"}).find("out of range"), std::string::npos);
  EXPECT_NE(ErrorOf({"--max_body_bytes=many"}).find("--max_body_bytes=many is not valid; use a whole number from 0 on"),
            std::string::npos);
  EXPECT_NE(ErrorOf({"--max_body_bytes=-1"}).find("--max_body_bytes"), std::string::npos);
  EXPECT_NE(ErrorOf({"--max_body_bytes"}).find("needs a value"), std::string::npos);
  EXPECT_NE(ErrorOf({"--cgroup=/a", "--pod_uid=b"}).find("one of them"), std::string::npos);
}

TEST(Config, OnlyPodtapsOwnFlagsAreKnown) {
  for (const char* flag : {"--logmailer=/bin/sh", "--flagfile=/etc/passwd", "--fromenv=mode", "--undefok=x",
                           "--log_dir=/tmp", "--unheard_of=1", "--nosuch"})
    EXPECT_NE(ErrorOf({flag}).find("unknown flag"), std::string::npos) << flag;
}

TEST(Config, KeepRunningIsKnownEvenWhenAnotherFlagIsWrong) {
  EXPECT_TRUE(Parse({"--from_the_future=1", "--keep_running"}).keep_running);
  EXPECT_TRUE(Parse({"--keep_running=true", "--mode=x"}).keep_running);
  EXPECT_FALSE(Parse({"--mode=x"}).keep_running);
  EXPECT_FALSE(Parse({"--mode=x", "--", "--keep_running"}).keep_running);
}

TEST(Config, JsonIsOneLine) {
  const std::string json = Parse({"--redact_headers=a\"b"}).command_line->config.Json();
  EXPECT_EQ(json.find('\n'), std::string::npos);
  EXPECT_NE(json.find("\"redact_headers\":[\"a\\\"b\"]"), std::string::npos) << json;
}

TEST(Config, EveryFlagIsInTheDocumentation) {
  std::ifstream file("docs/configuration.md");
  std::stringstream text;
  text << file.rdbuf();
  std::istringstream help(FlagHelp());
  int flags = 0;
  for (std::string line; std::getline(help, line);) {
    if (!line.starts_with("  --")) continue;
    const std::string flag = line.substr(2, line.find('=') - 2);
    EXPECT_NE(text.str().find("| `" + flag + "` |"), std::string::npos)
        << flag << " is missing in docs/configuration.md";
    ++flags;
  }
  EXPECT_GT(flags, 20);
}

}  // namespace
}  // namespace podtap
