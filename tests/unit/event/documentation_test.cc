// SPDX-License-Identifier: Apache-2.0
// docs/events.md is the closed list that users read: a tag or counter that is not there does not exist for them.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "base/counters.h"
#include "bpf/counters.h"
#include "sidecar/event/http_event.h"

namespace podtap {
namespace {

std::string Documentation() {
  std::ifstream file(PODTAP_SOURCE_DIR "/docs/events.md");
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(EventsDocument, NamesEveryTagInARowOfItsOwn) {
  const std::string text = Documentation();
  ASSERT_FALSE(text.empty());
  for (unsigned i = 0; i < static_cast<unsigned>(Tag::kCount); ++i) {
    const auto tag = static_cast<Tag>(i);
    const std::string row = "| `" + std::string(TextOf(tag)) + "` | " + std::string(MeaningOf(tag)) + " |";
    EXPECT_NE(text.find(row), std::string::npos) << "docs/events.md lacks this row: " << row;
  }
}

void ExpectRow(const std::string& text, std::string_view metric, std::string_view label, std::string_view help) {
  std::string row = "| `" + std::string(metric);
  if (!label.empty()) row += "{" + std::string(label) + "}";
  row += "` | " + std::string(help) + " |";
  EXPECT_NE(text.find(row), std::string::npos) << "docs/events.md lacks this row: " << row;
}

TEST(EventsDocument, NamesEveryCounterInARowOfItsOwn) {
  const std::string text = Documentation();
  for (size_t i = 0; i < kCounterCount; ++i) {
    const CounterInfo& info = InfoOf(static_cast<Counter>(i));
    ExpectRow(text, info.metric, info.label, info.help);
  }
}

TEST(EventsDocument, NamesEveryCounterOfTheKernelProgramsInARowOfItsOwn) {
  const std::string text = Documentation();
#define X(enumerator, metric, label, help) ExpectRow(text, metric, label, help);
  PODTAP_KERNEL_COUNTERS(X)
#undef X
}

TEST(EventsDocument, DefinesTheTenNumbersOfTheStatsLine) {
  const std::string text = Documentation();
  for (const char* key : {"ControlEventReceived", "DataEventReceived", "TotalRequestsParsed", "ReqParsingErrors",
                          "ResParsingErrors", "EventLost", "TotalRequestsSent", "TotalEventsDroppedAtEventQueueLimit",
                          "TotalEventsDroppedAtParsing", "KprobeEventMaxQueueSizeTillNow"})
    EXPECT_NE(text.find(std::string("| `") + key + "` | "), std::string::npos) << key;
}

}  // namespace
}  // namespace podtap
