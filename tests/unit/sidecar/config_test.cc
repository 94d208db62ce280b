// SPDX-License-Identifier: Apache-2.0
#include "sidecar/config.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>

#include "sidecar/config_change.h"
#include "sidecar/config_file.h"
#include "sidecar/config_follower.h"

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

TEST(Config, WhatCanNeverMatchOrMeansTwoThingsIsRefused) {
  for (const auto& [flag, words] : std::map<std::string, std::string>{
           {"--redact_headers=Authorization:", "--redact_headers: \"Authorization:\" is no name"},
           {"--redact_headers=a;b", "is no name"},
           {"--include_methods=GET POST", "is no name"},
           {"--include_paths=healthz", "\"healthz\" matches no path; begin it with / or **"},
           {"--exclude_paths=/a,b", "\"b\" matches no path"},
           {"--include_hosts=shop:8080", "without scheme, port and path"},
           {"--exclude_hosts=http://x", "without scheme, port and path"},
           {"--keep_body_content_types=json", "application/json"},
           {"--otlp_headers=Content-Type=text/plain", "\"Content-Type\" is podtap's own"},
           {"--otlp_headers=a=1,a=2", "a stands there twice"},
           {"--otlp_resource_attributes=a=1,a=2", "a stands there twice"},
           {"--sink=unix:/p?format=proto&format=text", "names a format twice"},
           {"--sink=otlp:http://[::1]x4318", "between its host and its port"},
           {"--sink=file:/a,file:/./a", "is named twice"}})
    EXPECT_NE(ErrorOf({flag.c_str()}).find(words), std::string::npos) << flag << ": " << ErrorOf({flag.c_str()});
  for (const char* flag : {"--include_paths=/a,**/b,*.css", "--include_hosts=*.shop.example,[::1],localhost",
                           "--include_methods=get,M-SEARCH", "--keep_body_content_types=text/*,application/json,**",
                           "--redact_headers=X-Key,x_y", "--otlp_headers=a=1,b=2"})
    EXPECT_EQ(ErrorOf({flag}), "no error") << flag;
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
  const std::string json = Parse({"--redact_query=a\"b"}).command_line->config.Json();
  EXPECT_EQ(json.find('\n'), std::string::npos);
  EXPECT_NE(json.find("\"redact_query\":[\"a\\\"b\"]"), std::string::npos) << json;
}

std::string Documentation() {
  std::ifstream file("docs/configuration.md");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// By flag, the default that the help names.
std::map<std::string, std::string> FlagsAndDefaults() {
  std::map<std::string, std::string> flags;
  std::istringstream help(FlagHelp());
  for (std::string line; std::getline(help, line);)
    if (line.starts_with("  --")) flags[line.substr(4, line.find('=') - 4)] = line.substr(line.find('=') + 1);
  return flags;
}

TEST(Config, TheDocumentationListsEveryFlagOnceWithItsDefaultAndNoOther) {
  auto flags = FlagsAndDefaults();
  ASSERT_GT(flags.size(), 40u);
  std::istringstream text(Documentation());
  for (std::string line; std::getline(text, line);) {
    if (!line.starts_with("| `--")) continue;
    const std::string flag = line.substr(5, line.find('`', 3) - 5);
    const size_t column = line.find('|', 1) + 1;
    const std::string shown = line.substr(column, line.find('|', column) - column);
    ASSERT_TRUE(flags.contains(flag)) << flag << " is documented twice, or there is no such flag";
    if (flag != "wait_until_attached_ms") {
      EXPECT_NE(shown.find(flags[flag]), std::string::npos) << flag << shown;
    }
    flags.erase(flag);
  }
  for (const auto& [flag, value] : flags) ADD_FAILURE() << flag << " is missing in docs/configuration.md";
}

// With a file of this text.
ParseOutcome ParseFile(std::string_view text, std::vector<const char*> arguments = {}) {
  arguments.insert(arguments.begin(), {"podtap-sidecar", "--config_file=F"});
  return ParseCommandLine(static_cast<int>(arguments.size()), arguments.data(), kDefaults, text);
}
std::string MistakesIn(std::string_view text, std::vector<const char*> arguments = {}) {
  const ParseOutcome outcome = ParseFile(text, std::move(arguments));
  return outcome.command_line ? "none" : outcome.command_line.error().message;
}

TEST(ConfigFile, SetsWhatTheCommandLineDoesNot) {
  const ParseOutcome outcome = ParseFile(
      "mode: egress\nmax-body-bytes: 10\nsink: [\"unix:/p?format=proto\", stdout]\nredact_query: a, b\n"
      "otlp_resource_attributes: [a=b, c=d]\nsample_rate: 0.5\notlp_gzip: true\n",
      {"--mode=all", "--max_header_bytes=300"});
  ASSERT_TRUE(outcome.command_line) << outcome.command_line.error().message;
  const Config& config = outcome.command_line->config;
  EXPECT_EQ(config.mode, Mode::kAll) << "the command line counts for more";
  EXPECT_EQ(config.http.max_body_bytes, 10u);
  EXPECT_EQ(config.http.max_header_bytes, 300u);
  ASSERT_EQ(config.sinks.size(), 2u);
  EXPECT_EQ(config.sinks[0].format, Format::kProto);
  EXPECT_EQ(config.policy.redact_query, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(config.otlp.resource_attributes.size(), 2u);
  EXPECT_EQ(config.policy.sample_rate, 0.5);
  EXPECT_TRUE(config.otlp.gzip);
  EXPECT_TRUE(ParseFile("").command_line);
  EXPECT_TRUE(ParseFile("# nothing\n").command_line);
  EXPECT_TRUE(ParseFile("{\"mode\": \"off\"}").command_line) << "JSON";
  EXPECT_EQ(ParseFile("redact_headers: []").command_line->config.redact_headers.size(), 0u);
}

TEST(ConfigFile, PairsMayHoldWhatSeparatesThem) {
  const ParseOutcome outcome = ParseFile("otlp_headers: {X-Key: \"a,b%2C=\"}");
  ASSERT_TRUE(outcome.command_line) << outcome.command_line.error().message;
  EXPECT_EQ(outcome.command_line->config.otlp.headers, (OtlpSettings::Pairs{{"X-Key", "a,b%2C="}}));
}

TEST(ConfigFile, NothingOfOneFileIsLeftWhenTheNextIsRead) {
  ASSERT_EQ(ParseFile("mode: egress\nredact_query: a").command_line->config.mode, Mode::kEgress);
  const ParseOutcome next = ParseFile("log_level: debug");
  EXPECT_EQ(next.command_line->config.mode, Mode::kIngress);
  EXPECT_TRUE(next.command_line->config.policy.redact_query.empty());
}

TEST(ConfigFile, EachMistakeIsALineWithItsNumberInTheFile) {
  EXPECT_EQ(MistakesIn("modee: all\n\nring_bytes: 1000000\nsample_rate: [1]\nmode: all\nmode: off\notlp_gzip: maybe\n"
                       "format:\nkeep_running: true\nsink: {a: b}\ninclude_statuses: [2xx, abc]\n"),
            "F:1: modee is not known; was mode meant?\n"
            "F:3: ring_bytes=1000000 is not a power of two; use 524288 or 1048576\n"
            "F:4: sample_rate is no list; write one value\n"
            "F:6: mode was set in line 5 already; take one of them out\n"
            "F:7: otlp_gzip is not valid; use true or false\n"
            "F:8: format has no value; write \"\" for none, or take the line out\n"
            "F:9: keep_running is for the command line only; take it out of the file\n"
            "F:10: sink is no mapping; write a list, or the values with commas\n"
            "F:11: include_statuses: \"abc\" is no status; use 404 or 5xx");
  EXPECT_EQ(MistakesIn("- mode: all"), "F:1: is no mapping; write one \"name: value\" per line");
  EXPECT_EQ(MistakesIn("mode: all\n---\nmode: off"), "F:3: is a second document; keep all settings in one");
  EXPECT_EQ(MistakesIn("mode: all\nredact_query:\n- a\n- b,c\n- [d]"),
            "F:4: an item of redact_query holds a comma; make two items of it");
  EXPECT_EQ(MistakesIn("a: &x 1\nmode: *x").substr(0, 4), "F:1:");
  EXPECT_EQ(MistakesIn("mode: all\nredact_query: |\n  a\n  b\n"),
            "F:2: redact_query holds a line break or a control character; write a list, or one line");
  EXPECT_EQ(MistakesIn("redact_query: |\n  a,b\n"), "none");
  EXPECT_EQ(MistakesIn("mode: \"\\e[31m\""),
            "F:1: mode holds a line break or a control character; write a list, or one line");
  EXPECT_EQ(MistakesIn("\"mode\\0\": all"), "F:1: mode? is not known; was mode meant?");
  EXPECT_EQ(MistakesIn(std::string_view("mode: all\n\0", 11)), "F:2: holds a zero byte; save the file as UTF-8 text");
  EXPECT_EQ(MistakesIn("mode: all\n%x\x8f"), "F:2: is not YAML: not UTF-8; save the file as UTF-8 text");
  EXPECT_TRUE(MistakesIn("mode: [1\nb: 2").starts_with("F:")) << "not YAML";
  EXPECT_TRUE(MistakesIn("sink: ftp:/x").starts_with("F:1: sink \"ftp:/x\""));
  EXPECT_TRUE(MistakesIn("x_unheard_of_name_of_something: 1").ends_with("is not known; --help lists the names"));
}

TEST(ConfigFile, AMistakeOfTheCommandLineStaysOne) {
  EXPECT_TRUE(MistakesIn("log_level: debug", {"--mode=sideways"}).starts_with("--mode=sideways is not known"));
  EXPECT_EQ(MistakesIn("mode: sideways", {"--mode=all"}), "none") << "it is not used";
}

TEST(ConfigFile, IsNotReadWhereItsTextIsNotGiven) {
  std::vector<const char*> arguments = {"podtap-sidecar", "--config_file=/etc/passwd", "--mode=all"};
  const ParseOutcome outcome = ParseCommandLine(3, arguments.data(), kDefaults);
  ASSERT_TRUE(outcome.command_line);
  EXPECT_EQ(outcome.command_line->config.config_file, "/etc/passwd");
  EXPECT_FALSE(ReadConfigFile("/dev/zero"));
  EXPECT_FALSE(ReadConfigFile("/nonexistent"));
}

TEST(ConfigFile, TheExampleOfTheDocumentationIsRight) {
  const std::string text = Documentation();
  const size_t begin = text.find("```yaml\n") + 8;
  EXPECT_EQ(MistakesIn(text.substr(begin, text.find("```", begin) - begin)), "none");
}

TEST(ConfigFollower, TellsOfEachChangeOnceAlsoOfOneBeforeItsFirstLook) {
  const std::string path = testing::TempDir() + "/podtap-follower-" + std::to_string(getpid());
  const auto write = [&](std::string_view text) {
    std::ofstream(path + ".new") << text;
    ASSERT_EQ(rename((path + ".new").c_str(), path.c_str()), 0);
  };
  std::vector<std::string> parsed;
  const auto parse = [&](std::string_view text) -> Result<Config> {
    parsed.emplace_back(text);
    if (text == "bad") return UsageError("a mistake");
    return Config();
  };
  write("two");
  ConfigFollower follower(path, parse, "one");
  EXPECT_TRUE(follower.Look()) << "it changed between its first reading and the first look";
  EXPECT_FALSE(follower.Look());
  write("two");
  EXPECT_FALSE(follower.Look()) << "another file with the same text";
  write("bad");
  auto bad = follower.Look();
  ASSERT_TRUE(bad);
  EXPECT_FALSE(*bad);
  EXPECT_FALSE(follower.Look());
  unlink(path.c_str());
  auto gone = follower.Look();
  ASSERT_TRUE(gone);
  EXPECT_FALSE(*gone);
  EXPECT_FALSE(follower.Look()) << "once";
  write("two");
  EXPECT_TRUE(follower.Look());
  EXPECT_EQ(parsed, (std::vector<std::string>{"two", "bad", "two"}));
  unlink(path.c_str());

  ConfigFollower from_nothing(path, parse, std::nullopt);
  EXPECT_FALSE(from_nothing.Look()) << "that was told at the start";
  write("");
  EXPECT_TRUE(from_nothing.Look()) << "an empty file is one, too";
  unlink(path.c_str());
  EXPECT_FALSE(ConfigFollower("", parse, std::nullopt).Look());
}

TEST(ConfigChange, TellsWhatHoldsAtOnceFromWhatNeedsAnotherWorkerOrAnotherStart) {
  const Config now = ParseFile("").command_line->config;
  const auto change = [&](std::string_view text) {
    Config wanted = ParseFile(text).command_line->config;
    wanted.identity.run_id = now.identity.run_id;
    return ChangeOf(now, wanted);
  };
  EXPECT_FALSE(change("").live || change("").worker);
  for (const char* text : {"mode: egress", "redact_query: a", "redact_headers: x", "sample_rate: 0", "log_level: debug",
                           "exclude_paths: /x", "decode_bodies: true", "drain_ms: 1", "stats_interval_s: 1"}) {
    EXPECT_TRUE(change(text).live) << text;
    EXPECT_FALSE(change(text).worker) << text;
    EXPECT_TRUE(change(text).later.empty()) << text;
  }
  for (const char* text :
       {"sink: \"unix:/x\"", "format: text", "otlp_headers: a=b", "idle_timeout_ms: 1", "sink_queue_events: 2",
        "redact_hash_key_file: /k", "deployment_environment: x", "memory_limit_bytes: 2000000"})
    EXPECT_TRUE(change(text).worker) << text;
  for (const char* text : {"ring_bytes: 262144", "cgroup: /x", "max_body_bytes: 1", "max_header_bytes: 300",
                           "admin_address: ''", "annotation_file: /a"}) {
    EXPECT_EQ(change(text).later.size(), 1u) << text;
    EXPECT_FALSE(change(text).worker || change(text).live) << text;
  }
  EXPECT_EQ(change("format: eve-strict").next.policy.bodies.keep_wire_bodies, true);
}

}  // namespace
}  // namespace podtap
