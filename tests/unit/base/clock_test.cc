// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <gtest/gtest.h>

#include <ctime>
#include <random>

namespace podtap {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

std::string Rfc3339(int64_t ns, int digits = 9) {
  std::string out;
  AppendRfc3339(WallTime{ns}, digits, out);
  return out;
}

TEST(Clock, DatesThatCalendarsGetWrong) {
  EXPECT_EQ(Rfc3339(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(Rfc3339(-1), "1969-12-31T23:59:59.999999999Z");
  EXPECT_EQ(Rfc3339(951782400 * kSecond), "2000-02-29T00:00:00.000000000Z");  // a leap day of a century
  EXPECT_EQ(Rfc3339(951868799 * kSecond), "2000-02-29T23:59:59.000000000Z");
  EXPECT_EQ(Rfc3339(951868800 * kSecond), "2000-03-01T00:00:00.000000000Z");
  EXPECT_EQ(Rfc3339(4107542400 * kSecond), "2100-03-01T00:00:00.000000000Z");  // no leap day
  EXPECT_EQ(Rfc3339(4107542400 * kSecond - 1), "2100-02-28T23:59:59.999999999Z");
  EXPECT_EQ(Rfc3339(1709164800 * kSecond), "2024-02-29T00:00:00.000000000Z");
  EXPECT_EQ(Rfc3339(1767225599 * kSecond + 999'999'999), "2025-12-31T23:59:59.999999999Z");
  EXPECT_EQ(Rfc3339(1767225600 * kSecond), "2026-01-01T00:00:00.000000000Z");
  EXPECT_EQ(Rfc3339(2147483648 * kSecond), "2038-01-19T03:14:08.000000000Z");
  EXPECT_EQ(Rfc3339(-2208988800 * kSecond), "1900-01-01T00:00:00.000000000Z");
}

TEST(Clock, AgreesWithTheCLibraryOnAnyDay) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20000; ++i) {
    const auto seconds = static_cast<time_t>(random() % 9'000'000'000) - 2'000'000'000;
    tm utc{};
    gmtime_r(&seconds, &utc);
    char expected[64];
    strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", &utc);
    ASSERT_EQ(Rfc3339(seconds * kSecond + 123'456'789, 3), std::string(expected) + ".123Z");
  }
}

TEST(Clock, FractionsAreCutNotRounded) {
  const int64_t time = 1767225599 * kSecond + 999'999'999;
  EXPECT_EQ(Rfc3339(time, 3), "2025-12-31T23:59:59.999Z");
  EXPECT_EQ(Rfc3339(time, 6), "2025-12-31T23:59:59.999999Z");
  EXPECT_EQ(Rfc3339(5, 9), "1970-01-01T00:00:00.000000005Z");
  EXPECT_EQ(Rfc3339(5, 6), "1970-01-01T00:00:00.000000Z");
}

TEST(Clock, EveTimestampHasItsOwnForm) {
  std::string out = "x";
  AppendEveTimestamp(WallTime{1769860801 * kSecond + 123'456'789}, out);
  EXPECT_EQ(out, "x2026-01-31T12:00:01.123456+0000");
}

TEST(Clock, DurationsAreNeverNegative) {
  EXPECT_EQ(NanosecondsBetween({10}, {25}), 15U);
  EXPECT_EQ(NanosecondsBetween({25}, {10}), 0U);
  EXPECT_EQ(NanosecondsBetween({5}, {5}), 0U);
}

TEST(Clock, ZeroMeansUnknown) {
  EXPECT_FALSE(Timestamp{});
  EXPECT_TRUE(Timestamp{1});
  EXPECT_LT(Timestamp{1}, Timestamp{2});
}

TEST(Clock, MonotonicTimeDoesNotGoBack) {
  const Timestamp first = MonotonicNow();
  EXPECT_TRUE(first);
  EXPECT_LE(first, MonotonicNow());
}

TEST(WallClock, AddsItsOffset) {
  const WallClock clock(1'000 * kSecond);
  EXPECT_EQ(clock.At({5}).ns, 1'000 * kSecond + 5);
  EXPECT_EQ(WallClock(-3).At({5}).ns, 2);
}

TEST(WallClock, MeasuresTheMachinesOwnTime) {
  WallClock clock;
  clock.Measure();
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const int64_t expected = now.tv_sec * kSecond + now.tv_nsec;
  EXPECT_NEAR(static_cast<double>(clock.At(MonotonicNow()).ns - expected), 0.0, 1e9);
}

}  // namespace
}  // namespace podtap
