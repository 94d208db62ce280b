// SPDX-License-Identifier: Apache-2.0
#include "webhook/reasons.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/annotations.h"
#include "base/read_file.h"
#include "webhook/injector_config.h"
#include "webhook/server_config.h"
#include "webhook/webhook_metrics.h"

namespace podtap::webhook {
namespace {

using testing::HasSubstr;

// The first cells, in backquotes, of the table rows under the heading `heading`, with the rest of the row.
std::map<std::string, std::string> TableUnder(const std::string& text, const std::string& heading) {
  std::map<std::string, std::string> rows;
  size_t at = text.find(heading + "\n");
  EXPECT_NE(at, std::string::npos) << heading;
  if (at == std::string::npos) return rows;
  at += heading.size();
  const size_t end = std::min(text.find("\n#", at), text.size());
  while ((at = text.find("\n| `", at)) < end) {
    at += 4;
    const size_t close = text.find('`', at);
    rows[text.substr(at, close - at)] = text.substr(close, text.find('\n', close) - close);
    at = close;
  }
  return rows;
}

std::string Document(const char* name) {
  const auto text = ReadFile(name, 1 << 20);
  EXPECT_TRUE(text) << name << " is read from the project's root";
  return text.value_or("");
}

TEST(Reasons, TheOperationsPageListsExactlyTheEnum) {
  const auto rows = TableUnder(Document("docs/operations.md"), "## Why a pod has the sidecar, or has not");
  std::set<std::string> texts;
  for (size_t i = 0; i < kReasonCount; ++i) {
    const auto reason = static_cast<Reason>(i);
    const std::string text(TextOf(reason));
    EXPECT_TRUE(texts.insert(text).second) << text << " stands twice";
    ASSERT_TRUE(rows.contains(text)) << text;
    EXPECT_THAT(rows.at(text), HasSubstr(std::string(SentenceOf(reason)))) << text;
  }
  EXPECT_EQ(rows.size(), kReasonCount);
}

TEST(Options, TheWebhookPageListsExactlyTheFlags) {
  const auto rows = TableUnder(Document("docs/webhook.md"), "## Flags");
  size_t count = 0;
  for (const auto table : {ServerOptions(), InjectorOptions()})
    for (const OptionInfo& option : table) {
      const std::string flag = "--" + std::string(option.name);
      ASSERT_TRUE(rows.contains(flag)) << flag;
      EXPECT_THAT(
          rows.at(flag),
          HasSubstr("| " +
                    (option.default_value.empty() ? std::string() : "`" + std::string(option.default_value) + "` ") +
                    "|"))
          << flag;
      ++count;
    }
  EXPECT_EQ(rows.size(), count);
}

TEST(Annotations, TheWebhookPageListsExactlyTheSettings) {
  const auto rows = TableUnder(Document("docs/webhook.md"), "## Settings of a pod's author");
  for (const SettingInfo& info : AllSettings()) {
    ASSERT_TRUE(rows.contains(std::string(info.annotation))) << info.annotation;
    EXPECT_THAT(rows.at(std::string(info.annotation)), HasSubstr(std::string(info.allowed)));
    EXPECT_TRUE(info.valid(info.example)) << info.annotation;
  }
  EXPECT_EQ(rows.size(), AllSettings().size());
}

TEST(Annotations, ChecksAreExact) {
  for (const char* good : {"0", "65536", "16777216"}) EXPECT_TRUE(IsBodyBytes(good)) << good;
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "16777217", "1Ki", "99999999999999999999", "0x10"})
    EXPECT_FALSE(IsBodyBytes(bad)) << bad;
  for (const char* good : {"10m", "0.5", "4", "4000m"}) EXPECT_TRUE(IsCpuLimit(good)) << good;
  for (const char* bad : {"9m", "4001m", "0", "", "fast", "-1", "+1"}) EXPECT_FALSE(IsCpuLimit(bad)) << bad;
  for (const char* good : {"48Mi", "1Gi", "2Gi", "100M"}) EXPECT_TRUE(IsMemoryLimit(good)) << good;
  for (const char* bad : {"47Mi", "3Gi", "1", ""}) EXPECT_FALSE(IsMemoryLimit(bad)) << bad;
  EXPECT_FALSE(IsMode("Ingress"));
  EXPECT_FALSE(IsMode("ingress\n"));
  EXPECT_FALSE(IsLogLevel("trace"));
  EXPECT_FALSE(IsSinkName("unix:/x"));
}

TEST(Metrics, TheLatencyHistogramBeginsAt50Microseconds) {
  WebhookMetrics metrics;
  metrics.latency.Observe(50'000);
  metrics.latency.Observe(50'001);
  metrics.latency.Observe(3'000'000'000);
  metrics.latency.Observe(60'000'000'000);
  const std::string text = metrics.Text();
  EXPECT_THAT(text, HasSubstr("podtap_webhook_review_duration_seconds_bucket{le=\"5e-05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("podtap_webhook_review_duration_seconds_bucket{le=\"0.0001\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("podtap_webhook_review_duration_seconds_bucket{le=\"5\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("podtap_webhook_review_duration_seconds_bucket{le=\"+Inf\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("podtap_webhook_review_duration_seconds_count 4\n"));
}

TEST(Metrics, EveryReasonIsThereFromTheStart) {
  WebhookMetrics metrics;
  metrics.CountDecision(Reason::kPodEnabled);
  const std::string text = metrics.Text();
  for (size_t i = 0; i < kReasonCount; ++i)
    EXPECT_THAT(text, HasSubstr("reason=\"" + std::string(TextOf(static_cast<Reason>(i))) + "\""));
  EXPECT_THAT(text, HasSubstr("podtap_webhook_decisions_total{reason=\"pod-enabled\",result=\"injected\"} 1\n"));
}

}  // namespace
}  // namespace podtap::webhook
