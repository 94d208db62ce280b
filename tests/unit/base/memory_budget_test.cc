// SPDX-License-Identifier: Apache-2.0
#include "base/memory_budget.h"

#include <gtest/gtest.h>

namespace podtap {
namespace {

TEST(MemoryBudget, NobodyIsRefusedButItSaysWhenItIsOver) {
  MemoryBudget budget(100);
  EXPECT_EQ(budget.limit(), 100U);
  budget.Charge(100);
  EXPECT_FALSE(budget.over());
  budget.Charge(1);
  EXPECT_TRUE(budget.over());
  EXPECT_EQ(budget.used(), 101U);
  budget.Release(1);
  EXPECT_FALSE(budget.over());
}

TEST(MemoryBudget, ReleasingTooMuchDoesNotWrap) {
  MemoryBudget budget(100);
  budget.Charge(10);
  budget.Release(20);
  EXPECT_EQ(budget.used(), 0U);
  EXPECT_FALSE(budget.over());
}

TEST(MemoryBudget, ALimitOfZeroIsOverAsSoonAsAnythingIsHeld) {
  MemoryBudget budget(0);
  EXPECT_FALSE(budget.over());
  budget.Charge(1);
  EXPECT_TRUE(budget.over());
}

}  // namespace
}  // namespace podtap
