// SPDX-License-Identifier: Apache-2.0
#include "sidecar/event/header_list.h"

#include <gtest/gtest.h>

namespace podtap {
namespace {

TEST(HeaderList, KeepsOrderSpellingAndRepetition) {
  HeaderList list;
  list.Add("Host", "a.example");
  list.Add("X-Twice", "1");
  list.Add("x-twice", "2");
  list.Add("Empty", "");
  ASSERT_EQ(list.size(), 4u);
  EXPECT_EQ(list[0].name, "Host");
  EXPECT_EQ(list[2].name, "x-twice");
  EXPECT_EQ(list[2].value, "2");
  EXPECT_EQ(list[3].value, "");
}

TEST(HeaderList, FindsTheFirstFieldOfANameWithoutCase) {
  HeaderList list;
  list.Add("X-Twice", "1");
  list.Add("x-twice", "2");
  EXPECT_EQ(list.Get("X-TWICE"), "1");
  EXPECT_TRUE(list.Has("x-Twice"));
  EXPECT_FALSE(list.Has("x-twic"));
  EXPECT_EQ(list.Get("x-thrice"), "");
}

TEST(HeaderList, AFoldedLineJoinsTheLastFieldWithOneSpace) {
  HeaderList list;
  list.Add("A", "one");
  list.Add("B", "x");
  list.ExtendLast("y");
  list.ExtendLast("z");
  EXPECT_EQ(list[0].value, "one");
  EXPECT_EQ(list[1].value, "x y z");
}

TEST(HeaderList, AFoldOntoAnEmptyValueAddsNoSpace) {
  HeaderList list;
  list.Add("A", "");
  list.ExtendLast("late");
  list.ExtendLast("");
  EXPECT_EQ(list[0].value, "late");
}

TEST(HeaderList, AFoldWithoutAnyFieldIsNothing) {
  HeaderList list;
  list.ExtendLast("lost");
  EXPECT_TRUE(list.empty());
}

TEST(HeaderList, ReplacedValuesMayBeShorterOrLonger) {
  HeaderList list;
  list.Add("Cookie", "secret=1");
  list.Add("B", "b");
  list.Add("C", "c");
  list.SetValue(0, "***");
  list.SetValue(1, "much longer than before");
  EXPECT_EQ(list[0].value, "***");
  EXPECT_EQ(list[1].value, "much longer than before");
  EXPECT_EQ(list[2].value, "c");
  EXPECT_EQ(list[2].name, "C");
}

TEST(HeaderList, AFoldAfterAReplacedValueStaysWithItsField) {
  HeaderList list;
  list.Add("A", "first");
  list.Add("B", "abcdef");
  list.SetValue(1, "x");  // in place: the text now ends behind the value
  list.ExtendLast("y");
  EXPECT_EQ(list[1].value, "x y");
  EXPECT_EQ(list[0].value, "first");
}

TEST(HeaderList, ClearForgetsAll) {
  HeaderList list;
  list.Reserve(4, 100);
  list.Add("A", "b");
  list.Clear();
  EXPECT_TRUE(list.empty());
  EXPECT_FALSE(list.Has("A"));
  EXPECT_GE(list.memory(), 100u);
}

TEST(EqualsIgnoreCase, IsAsciiOnly) {
  EXPECT_TRUE(EqualsIgnoreCase("Content-Type", "cONTENT-tYPE"));
  EXPECT_FALSE(EqualsIgnoreCase("Content-Type", "Content_Type"));
  EXPECT_FALSE(EqualsIgnoreCase("@", "`"));
  EXPECT_FALSE(EqualsIgnoreCase("[", "{"));
  EXPECT_FALSE(EqualsIgnoreCase("\xc4", "\xe4"));
  EXPECT_FALSE(EqualsIgnoreCase("a", "ab"));
}

}  // namespace
}  // namespace podtap
