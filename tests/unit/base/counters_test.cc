// SPDX-License-Identifier: Apache-2.0
#include "base/counters.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace podtap {
namespace {

const CounterInfo& Info(size_t i) { return InfoOf(static_cast<Counter>(i)); }

TEST(Counters, BeginAtZeroAndAdd) {
  Counters counters;
  for (size_t i = 0; i < kCounterCount; ++i) EXPECT_EQ(counters.Get(static_cast<Counter>(i)), 0U);
  counters.Add(Counter::kRecordsRead);
  counters.Add(Counter::kRecordsRead, 41);
  EXPECT_EQ(counters.Get(Counter::kRecordsRead), 42U);
  EXPECT_EQ(counters.Get(Counter::kDataRecordsRead), 0U);
}

TEST(Counters, MaxKeepsTheLargest) {
  Counters counters;
  for (const uint64_t value : {3, 9, 4}) counters.Max(Counter::kSinkQueueMax, value);
  EXPECT_EQ(counters.Get(Counter::kSinkQueueMax), 9U);
}

TEST(Counters, ThreadsDoNotLoseEachOthersCounts) {
  Counters counters;
  std::vector<std::thread> threads;
  for (uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&counters, t] {
      for (uint64_t i = 0; i < 10000; ++i) {
        counters.Add(Counter::kRecordsRead);
        counters.Max(Counter::kSinkQueueMax, t * 10000 + i);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counters.Get(Counter::kRecordsRead), 40000U);
  EXPECT_EQ(counters.Get(Counter::kSinkQueueMax), 39999U);
}

TEST(Counters, NamesFollowTheRulesOfPrometheus) {
  for (size_t i = 0; i < kCounterCount; ++i) {
    const std::string metric(Info(i).metric);
    SCOPED_TRACE(metric);
    EXPECT_TRUE(metric.starts_with("podtap_"));
    EXPECT_TRUE(std::all_of(metric.begin(), metric.end(),
                            [](unsigned char c) { return std::islower(c) || std::isdigit(c) || c == '_'; }));
    if (static_cast<Counter>(i) != Counter::kSinkQueueMax) {
      EXPECT_TRUE(metric.ends_with("_total"));
    }
    const std::string label(Info(i).label);
    if (!label.empty()) {
      EXPECT_NE(label.find("=\""), std::string::npos) << label;
      EXPECT_EQ(label.back(), '"');
    }
  }
}

TEST(Counters, EachRowIsThereOnceAndRowsOfAMetricStandTogether) {
  std::set<std::pair<std::string_view, std::string_view>> rows;
  std::set<std::string_view> finished;
  for (size_t i = 0; i < kCounterCount; ++i) {
    EXPECT_TRUE(rows.insert({Info(i).metric, Info(i).label}).second) << Info(i).metric << Info(i).label;
    EXPECT_FALSE(finished.contains(Info(i).metric)) << Info(i).metric << " is interrupted";
    if (i + 1 < kCounterCount && Info(i + 1).metric != Info(i).metric) finished.insert(Info(i).metric);
  }
}

TEST(Counters, EveryRowSaysWhatItCountsInOneSentence) {
  std::map<std::string_view, std::string_view> help_of;
  for (size_t i = 0; i < kCounterCount; ++i) {
    const std::string_view help = Info(i).help;
    ASSERT_FALSE(help.empty()) << Info(i).metric;
    EXPECT_TRUE(std::isupper(static_cast<unsigned char>(help.front()))) << help;
    EXPECT_EQ(help.back(), '.') << help;
    // One HELP line per metric: its rows must agree.
    EXPECT_EQ(help_of.try_emplace(Info(i).metric, help).first->second, help);
  }
}

}  // namespace
}  // namespace podtap
