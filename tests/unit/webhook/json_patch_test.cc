// SPDX-License-Identifier: Apache-2.0
#include "webhook/json_patch.h"

#include <gtest/gtest.h>

#include "tests/unit/webhook/pods.h"

namespace podtap::webhook {
namespace {

TEST(JsonPatch, TildeIsEscapedBeforeSlash) {
  EXPECT_EQ(EscapePointer("a/b~c"), "a~1b~0c");
  EXPECT_EQ(EscapePointer("~1"), "~01");
}

TEST(JsonPatch, AddSetsMembersAndInsertsElements) {
  json::value document = Json(R"({"a":[1,3],"b":{"x/y":1}})");
  EXPECT_TRUE(ApplyAdd(document, {"/a/1", 2}));
  EXPECT_TRUE(ApplyAdd(document, {"/a/-", 4}));
  EXPECT_TRUE(ApplyAdd(document, {"/a/0", 0}));
  EXPECT_TRUE(ApplyAdd(document, {"/b/x~1y", 2}));
  EXPECT_TRUE(ApplyAdd(document, {"/b/new", nullptr}));
  EXPECT_EQ(document, Json(R"({"a":[0,1,2,3,4],"b":{"x/y":2,"new":null}})"));
}

TEST(JsonPatch, WhatRfc6902RefusesDoesNotApply) {
  const json::value before = Json(R"({"a":[1],"s":"text","n":null})");
  for (const char* path : {"/missing/x", "/a/2", "/a/01", "/a/x", "/s/x", "/n/x", "/a/0/x", "no-slash", "/missing/-"}) {
    json::value document = before;
    EXPECT_FALSE(ApplyAdd(document, {path, 1})) << path;
    EXPECT_EQ(document, before);
  }
}

TEST(PatchBuilder, MissingAndNullParentsAreAddedWhole) {
  for (const char* text : {R"({"m":{}})", R"({"m":{"l":null}})"}) {
    json::value document = Json(text);
    PatchBuilder patch(document);
    patch.SetMember("/m", "l", "a/b", json::value("1"));
    patch.SetMember("/m", "l", "c", json::value("2"));
    patch.Append("/m", "list", json::value(1));
    patch.Prepend("/m", "list", json::value(0));
    EXPECT_TRUE(patch.applies());
    EXPECT_EQ(document, Json(R"({"m":{"l":{"a/b":"1","c":"2"},"list":[0,1]}})"));
    EXPECT_EQ(PatchText(patch.operations()),
              R"([{"op":"add","path":"/m/l","value":{"a/b":"1"}},{"op":"add","path":"/m/l/c","value":"2"},)"
              R"({"op":"add","path":"/m/list","value":[1]},{"op":"add","path":"/m/list/0","value":0}])");
  }
}

TEST(PatchBuilder, AParentOfAnotherTypeMakesThePatchInapplicable) {
  json::value document = Json(R"({"m":{"l":"text"}})");
  PatchBuilder patch(document);
  patch.SetMember("/m", "l", "a", json::value("1"));
  EXPECT_FALSE(patch.applies());
}

}  // namespace
}  // namespace podtap::webhook
