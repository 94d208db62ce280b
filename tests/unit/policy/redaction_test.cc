// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "sidecar/policy/redact_json.h"
#include "sidecar/policy/redact_multipart.h"
#include "sidecar/policy/redact_pairs.h"

namespace podtap {
namespace {

const Names kNames({"password", "Token"});
const Mask kMask;

std::string Json(std::string_view text, JsonOutcome expected = JsonOutcome::kWhole) {
  std::string out;
  EXPECT_EQ(RedactJson(kNames, kMask, text, out), expected) << text;
  return out;
}

TEST(RedactJson, ReplacesValuesOfEveryKindAtAnyDepth) {
  EXPECT_EQ(Json(R"({"password":"x","a":1})"), R"({"password":"***","a":1})");
  EXPECT_EQ(Json(R"({"a":{"b":[{"PASSWORD" : 12.5e3}, {"token":null}]}})"),
            R"({"a":{"b":[{"PASSWORD" : "***"}, {"token":"***"}]}})");
  EXPECT_EQ(Json(R"({"password":{"a":[1,{"token":"x"}]},"b":true})"), R"({"password":"***","b":true})");
  EXPECT_EQ(Json(R"({"password":[],"token":{}})"), R"({"password":"***","token":"***"})");
  EXPECT_EQ(Json(R"({"passwords":"x","a":"password","b":["token"]})"),
            R"({"passwords":"x","a":"password","b":["token"]})");
}

TEST(RedactJson, KnowsNamesThatAreWrittenWithEscapes) {
  EXPECT_EQ(Json("{\"pass\\u0077ord\":\"x\"}"), "{\"pass\\u0077ord\":\"***\"}");
  EXPECT_EQ(Json("{\"\\u0070\\u0061ssword\":\"a\\\"b\"}"), "{\"\\u0070\\u0061ssword\":\"***\"}");
}

TEST(RedactJson, ReadsOneTextAfterTheOther) {
  EXPECT_EQ(Json("{\"token\":1}\n{\"token\":2}\n"), "{\"token\":\"***\"}\n{\"token\":\"***\"}\n");
  EXPECT_EQ(Json("\xef\xbb\xbf[]"), "\xef\xbb\xbf[]");
  EXPECT_EQ(Json("\"text\""), "\"text\"");
  EXPECT_EQ(Json("12"), "12");
}

TEST(RedactJson, TellsWhereATextWasCut) {
  EXPECT_EQ(Json(R"({"password":"x",)", JsonOutcome::kCut), R"({"password":"***",)");
  EXPECT_EQ(Json(R"({"a":[1,2],"b":)", JsonOutcome::kCut), R"({"a":[1,2],"b":)");
  for (const char* text : {R"({"password":"x)", R"({"pass)", R"({"a":12)", R"({"a":tru)", R"({"a":"x\)"})
    Json(text, JsonOutcome::kCutInside);
}

TEST(RedactJson, WhatIsNotJsonIsBroken) {
  for (const char* text :
       {"{'password':'x'}", "{password:1}", "{\"a\" \"password\":1}", "{\"a\":1,}", "[1,]", "{\"a\":}", "[1 2]", "{]",
        "]", "\"a\nb\"", "hello", "{\"a\":1}}", "[nul]", ")]}',\n{}", "{\"a\":\"b\"]"})
    Json(text, JsonOutcome::kBroken);
  Json(std::string("\0{", 2), JsonOutcome::kBroken);
  Json(std::string(100'000, '['), JsonOutcome::kBroken);
}

TEST(RedactJson, MasksCanBeMatchedWithAKey) {
  const Mask mask("0123456789abcdef");
  std::string one, other, different;
  RedactJson(kNames, mask, R"({"token":"se\u0063ret"})", one);
  RedactJson(kNames, mask, R"({"password" : "secret"})", other);
  RedactJson(kNames, mask, R"({"token":"secret2"})", different);
  EXPECT_EQ(one.substr(10), other.substr(15));
  EXPECT_EQ(one.size(), std::string(R"({"token":"***:0123456789ab"})").size());
  EXPECT_NE(one, different);
  EXPECT_NE(Mask("another key of 16")("secret"), mask("secret"));
}

std::string Pairs(std::string text) {
  RedactPairs(kNames, kMask, text);
  return text;
}

TEST(RedactPairs, ReplacesValuesByDecodedName) {
  EXPECT_EQ(Pairs("a=1&token=2&b=3"), "a=1&token=***&b=3");
  EXPECT_EQ(Pairs("%74OKEN=2;x"), "%74OKEN=***;x");
  EXPECT_EQ(Pairs("user[password]=2&user.token=&tokens=1"), "user[password]=***&user.token=***&tokens=1");
  EXPECT_EQ(Pairs("token"), "token");
  EXPECT_EQ(Pairs("token=a=b&&=x"), "token=***&&=x");
  EXPECT_EQ(Pairs(""), "");
}

TEST(RedactPairs, OfUrlsOnlyQueryAndFragment) {
  std::string url = "http://h/token=1?token=2#token=3&x=4";
  EXPECT_TRUE(RedactUrl(kNames, kMask, url));
  EXPECT_EQ(url, "http://h/token=1?token=***#token=***&x=4");
  url = "/a?b=c";
  EXPECT_FALSE(RedactUrl(kNames, kMask, url));
  url = "/a#x?token=2";
  EXPECT_FALSE(RedactUrl(kNames, kMask, url));
}

TEST(RedactMultipart, ReplacesPartsByName) {
  std::string body =
      "--B\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\nse\r\ncret\r\n"
      "--B\r\ncontent-disposition: form-data; filename=\"token\"; name=other\r\n\r\nkept\r\n--B--\r\n";
  ASSERT_TRUE(RedactMultipart(kNames, kMask, "multipart/form-data; boundary=\"B\"", body));
  EXPECT_EQ(body,
            "--B\r\nContent-Disposition: form-data; name=\"password\"\r\n\r\n***\r\n"
            "--B\r\ncontent-disposition: form-data; filename=\"token\"; name=other\r\n\r\nkept\r\n--B--\r\n");
  for (std::string broken : {"", "--B\r\nno end", "--B\r\nname=x\r\n\r\ntext", "--C\r\n\r\n\r\n--C--"})
    EXPECT_FALSE(RedactMultipart(kNames, kMask, "multipart/form-data; boundary=B", broken)) << broken;
  std::string any = "--B--";
  EXPECT_FALSE(RedactMultipart(kNames, kMask, "multipart/form-data", any));
}

}  // namespace
}  // namespace podtap
