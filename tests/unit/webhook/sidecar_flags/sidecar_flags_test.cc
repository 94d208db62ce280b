// SPDX-License-Identifier: Apache-2.0
// The two programs cannot drift: whatever the webhook writes as arguments, the sidecar's own flag parser takes.
#include <gflags/gflags.h>
#include <gtest/gtest.h>

#include "base/annotations.h"
#include "sidecar/config.h"
#include "tests/unit/webhook/pods.h"

namespace podtap {
namespace {

using webhook::InjectorConfig;
namespace json = boost::json;

Result<CommandLine> ParseAsSidecar(const std::vector<std::string>& args) {
  std::vector<const char*> argv = {"podtap-sidecar"};
  for (const std::string& arg : args) argv.push_back(arg.c_str());
  return ParseCommandLine(static_cast<int>(argv.size()), argv.data()).command_line;
}

InjectorConfig ConfigWithCollector() {
  InjectorConfig config = webhook::TestConfig();
  EXPECT_TRUE(ApplyOption(config, "named_sink", "collector=unix:/var/run/collector/podtap.sock"));
  return config;
}

std::vector<std::string> ArgsOf(const json::value& container) {
  std::vector<std::string> args;
  for (const json::value& arg : container.at("args").as_array()) args.push_back(json::value_to<std::string>(arg));
  return args;
}

TEST(AnnotationTable, EveryRowThatNamesAFlagIsTakenByTheSidecar) {
  const InjectorConfig config = ConfigWithCollector();
  size_t rows = 0;
  for (const SettingInfo& info : AllSettings()) {
    if (info.flag.empty()) continue;
    std::string value(info.example);
    if (info.setting == Setting::kSink) value = config.named_sinks.at(value);
    const std::string arg = "--" + std::string(info.flag) + "=" + value;
    const auto line = ParseAsSidecar({arg});
    EXPECT_TRUE(line) << arg << ": " << (line ? "" : line.error().message);
    ++rows;
  }
  EXPECT_EQ(rows, 4u);
}

TEST(AnnotationTable, TheEndsOfItsRangesAreTakenToo) {
  for (const char* arg :
       {"--max_body_bytes=0", "--max_body_bytes=16777216", "--mode=ingress", "--mode=egress", "--mode=all",
        "--mode=off", "--log_level=error", "--log_level=warning", "--log_level=info", "--log_level=debug"})
    EXPECT_TRUE(ParseAsSidecar({arg})) << arg;
}

TEST(FlagsForSidecars, AreFlagsOfTheSidecar) {
  gflags::CommandLineFlagInfo info;
  for (std::string_view flag : webhook::FlagsForSidecars())
    EXPECT_TRUE(gflags::GetCommandLineFlagInfo(std::string(flag).c_str(), &info)) << flag;
  EXPECT_FALSE(gflags::GetCommandLineFlagInfo("no_such_flag", &info));
}

TEST(InjectedArguments, ForAnEndpointAreTakenToo) {
  InjectorConfig config = ConfigWithCollector();
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"sidecar_sink", "otlp:http://podtap-collector.podtap.svc:4318"},
           {"sidecar_metrics_port", "9464"},
           {"sidecar_arg", "--deployment_environment=staging"},
           {"sidecar_arg", "--redact_json_fields=password,card"}})
    ASSERT_TRUE(ApplyOption(config, name, value));
  const auto injected = webhook::InjectInto(webhook::AskingPod(), config);
  const auto line = ParseAsSidecar(ArgsOf(webhook::At(injected.pod, "/spec/initContainers/0")));
  ASSERT_TRUE(line) << line.error().message;
  EXPECT_EQ(line->config.sinks[0].address.Text(), "otlp:http://podtap-collector.podtap.svc:4318/v1/traces");
  EXPECT_EQ(line->config.otlp.token_file, "/etc/podtap/token/token");
  EXPECT_EQ(line->config.identity.environment, "staging");
  EXPECT_EQ(line->config.admin_addresses.size(), 2u);
}

TEST(InjectedArguments, AreTakenByTheSidecarAsTheyAreWritten) {
  InjectorConfig config = ConfigWithCollector();
  ASSERT_TRUE(ApplyOption(config, "sidecar_ring_bytes", "16Mi"));
  config.injection = webhook::Injection::kContainer;
  const auto injected = webhook::InjectInto(
      webhook::Pod(
          R"({"mirror.traceable.ai/enabled":"true","mirror.traceable.ai/mode":"all","mirror.traceable.ai/sink":"collector",)"
          R"("mirror.traceable.ai/max-body-bytes":"4096","mirror.traceable.ai/log-level":"debug"})"),
      config);
  const json::value container = webhook::At(injected.pod, "/spec/containers/0");
  const auto line = ParseAsSidecar(ArgsOf(container));
  ASSERT_TRUE(line) << line.error().message;
  EXPECT_EQ(TextOf(line->config.mode), "all");
  EXPECT_EQ(line->config.sinks[0].address.Text(), "unix:/var/run/collector/podtap.sock");
  EXPECT_EQ(line->config.http.max_body_bytes, 4096u);
  EXPECT_EQ(TextOf(line->config.log_level), "debug");
  EXPECT_EQ(line->config.ring_bytes, 16u << 20);
  EXPECT_EQ(line->config.drain_ms, 22000u);
  EXPECT_TRUE(line->config.keep_running);
  EXPECT_EQ(line->config.target.cgroup_root, "/host/cgroup");
  EXPECT_EQ(line->config.annotation_file, "/etc/podtap/annotations/mode");

  const json::value hook = webhook::At(container, "/lifecycle/postStart/exec/command");
  const auto waiting = ParseAsSidecar({json::value_to<std::string>(hook.at(1))});
  ASSERT_TRUE(waiting);
  EXPECT_TRUE(waiting->wait_only);
  EXPECT_EQ(waiting->wait_until_attached_ms, 3000u);
}

}  // namespace
}  // namespace podtap
