// SPDX-License-Identifier: Apache-2.0
#include "sidecar/reader_rest.h"

#include <gtest/gtest.h>

namespace podtap {
namespace {

// Looks that find nothing until the wish is made.
void UntilWish(ReaderRest& rest) {
  for (int i = 1; i < ReaderRest::kEmptyLooks; ++i) {
    const auto next = rest.After(0, 0);
    ASSERT_FALSE(next.wish) << "look " << i;
    ASSERT_EQ(next.rest_ms, ReaderRest::kBusyMs);
  }
  const auto next = rest.After(0, 0);
  ASSERT_TRUE(next.wish);
  ASSERT_EQ(next.rest_ms, 0) << "a record may have come before the wish";
}

TEST(ReaderRest, WithTrafficItLooksOften) {
  ReaderRest rest;
  for (int i = 0; i < 100; ++i) {
    const auto next = rest.After(1, 0);
    EXPECT_FALSE(next.wish);
    EXPECT_EQ(next.rest_ms, ReaderRest::kBusyMs);
  }
}

TEST(ReaderRest, TwoLooksAndAShortRestLieBetweenTheWishAndTheSleep) {
  ReaderRest rest;
  UntilWish(rest);
  EXPECT_EQ(rest.After(0, 0).rest_ms, ReaderRest::kBusyMs) << "a record that did not see the wish wakes nobody";
  EXPECT_EQ(rest.After(0, 0).rest_ms, ReaderRest::kAsleepMs);
}

TEST(ReaderRest, ARecordThatIsStillBeingWrittenKeepsItAwake) {
  for (int looks_after_wish = 0; looks_after_wish < 2; ++looks_after_wish) {
    ReaderRest rest;
    UntilWish(rest);
    for (int i = 0; i < looks_after_wish; ++i) (void)rest.After(0, 0);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(rest.After(0, 64).rest_ms, ReaderRest::kBusyMs);
  }
}

TEST(ReaderRest, TheWishIsMadeAnewBeforeEachSleep) {
  ReaderRest rest;
  UntilWish(rest);
  for (int i = 0; i < 5; ++i) {
    EXPECT_FALSE(rest.After(0, 0).wish);
    EXPECT_EQ(rest.After(0, 0).rest_ms, ReaderRest::kAsleepMs);
    EXPECT_TRUE(rest.After(0, 0).wish);
  }
}

TEST(ReaderRest, ARecordBeginsItAllAnew) {
  ReaderRest rest;
  UntilWish(rest);
  (void)rest.After(0, 0);
  EXPECT_EQ(rest.After(3, 0).rest_ms, ReaderRest::kBusyMs);
  UntilWish(rest);
}

}  // namespace
}  // namespace podtap
