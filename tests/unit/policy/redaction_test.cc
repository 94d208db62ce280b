// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "sidecar/policy/look.h"
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

TEST(RedactJson, SeesJsonInStrings) {
  EXPECT_EQ(Json(R"({"body":"{\"password\":\"x\",\"a\":1}"})"), R"({"body":"{\"password\":\"***\",\"a\":1}"})");
  EXPECT_EQ(Json(R"({"body":"{\"a\":\"\u00e9\n\"}"})"), R"({"body":"{\"a\":\"\u00e9\n\"}"})") << "unchanged";
  EXPECT_EQ(Json(R"(["[\"{\\\"token\\\":1}\"]"])"), R"(["[\"{\\\"token\\\":\\\"***\\\"}\"]"])");
  EXPECT_EQ(Json(R"(["it's \"fine\": yes"])"), R"(["it's \"fine\": yes"])");
  Json(R"(["log: {\"password\":\"x\"}"])", JsonOutcome::kBroken);
  Json(R"(["{'password': 'x'}"])", JsonOutcome::kBroken);
  Json(R"(["{\"password\":\"x"])", JsonOutcome::kBroken);
}

TEST(RedactJson, KnowsRecordSeparatorsBetweenTexts) {
  EXPECT_EQ(Json("\x1e{\"token\":1}\n\x1e{}\n"), "\x1e{\"token\":\"***\"}\n\x1e{}\n");
  Json("{\x1e}", JsonOutcome::kBroken);
}

TEST(RedactJson, WhatIsNoEscapeIsBroken) {
  for (const char* text : {R"({"\x70assword":1})", R"({"pass\u00":1})", R"({"pass\u00zzword":1})", R"(["\ud83d"])",
                           R"(["\ude00"])", R"(["\ud83d\u0041"])"})
    Json(text, JsonOutcome::kBroken);
  EXPECT_EQ(Json(R"(["\ud83d\ude00\/"])"), R"(["\ud83d\ude00\/"])");
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
  EXPECT_EQ(Pairs("%74OKEN=2&x"), "%74OKEN=***&x");
  EXPECT_EQ(Pairs("user[password]=2&user.token=&tokens=1"), "user[password]=***&user.token=***&tokens=1");
  EXPECT_EQ(Pairs("token"), "token");
  EXPECT_EQ(Pairs("token=a=b&&=x"), "token=***&&=x");
  EXPECT_EQ(Pairs("+token=a&token%20=b&%09token%00=c&token%00x=d"),
            "+token=***&token%20=***&%09token%00=***&token%00x=***");
  EXPECT_EQ(Pairs(""), "");
}

TEST(RedactPairs, WhatMayBeASeparatorHidesNoNameAndEndsNoSecret) {
  EXPECT_EQ(Pairs("token=2;3\r\n4&b=5"), "token=***&b=5");
  EXPECT_EQ(Pairs("a=1;token=2;b=3&c=4"), "a=1;token=***&c=4");
  EXPECT_EQ(Pairs("a=1\r\npassword=2"), "a=1\r\npassword=***");
  EXPECT_EQ(Pairs(";;=;x=1"), ";;=;x=1");
}

TEST(RedactPairs, SeesUrlsInValues) {
  EXPECT_EQ(Pairs("next=https%3A%2F%2Fh%2F%3Ftoken%3Dabc&x=1"), "next=https%3A%2F%2Fh%2F%3Ftoken%3D***&x=1");
  EXPECT_EQ(Pairs("next=/a?b=1&token=2"), "next=/a?b=1&token=***");
  EXPECT_EQ(Pairs("next=%2Fa%3Fb%3D%252Fc%253Ftoken%253Dabc"), "next=%2Fa%3Fb%3D%252Fc%253Ftoken%253D***");
}

std::string Form(std::string text) { return RedactForm(kNames, kMask, text) ? text : "not understood"; }

TEST(RedactForm, SeesJsonInValues) {
  EXPECT_EQ(Form("a=1&token=2"), "a=1&token=***");
  EXPECT_EQ(Form("payload=%7B%22password%22%3A%22x%22%7D&a=1"), "payload=%7B%22password%22%3A%22***%22%7D&a=1");
  EXPECT_EQ(Form("payload={\"a\":\"x\"}"), "payload={\"a\":\"x\"}");
  EXPECT_EQ(Form("payload={\"password\":\"x"), "not understood");
  EXPECT_EQ(Form("payload={\"password\":\"x&y\"}"), "not understood");
  EXPECT_EQ(Form("x{\"password\":\"a=b\"}"), "not understood");
  EXPECT_EQ(Form("q=%27token%27+%3A1"), "not understood");
  EXPECT_EQ(Form("q=12:30&r=%7Bx"), "q=12:30&r=%7Bx");
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

std::string Multipart(std::string body) {
  return RedactMultipart(kNames, kMask, "multipart/form-data; boundary=B", body) ? body : "not understood";
}
std::string Part(const std::string& head, const std::string& content) {
  return "--B\r\n" + head + "\r\n\r\n" + content + "\r\n--B--";
}

TEST(RedactMultipart, FindsTheNameHoweverItIsWritten) {
  for (const char* head :
       {"Content-Disposition: form-data; name=\"password\"", "Content-Disposition: form-data; name = password",
        "Content-Disposition: form-data; NAME=user[Token]", "Content-Disposition: form-data;name*=UTF-8''pass%77ord",
        "Content-Disposition: form-data; name=\"pass\\word\"", "Content-Disposition: form-data; name=\"pass%77ord\"",
        "Content-Type: text/plain; name=\"x\"\r\nContent-Disposition: form-data; name=\"password\"",
        "Content-Disposition: form-data;\r\n name=password"})
    EXPECT_EQ(Multipart(Part(head, "secret")), Part(head, "***")) << head;
}

TEST(RedactMultipart, SeesJsonInParts) {
  const std::string head = "Content-Disposition: form-data; name=a\r\nContent-Type: application/json";
  EXPECT_EQ(Multipart(Part(head, R"({"password":"x"})")), Part(head, R"({"password":"***"})"));
  EXPECT_EQ(Multipart(Part("x: y", R"([{"token":"x"}])")), Part("x: y", R"([{"token":"***"}])"));
  EXPECT_EQ(Multipart(Part(head, R"({"password":"x)")), "not understood");
  EXPECT_EQ(Multipart(Part("x: y", std::string("\"\0t\0o\0k\0e\0n\0\"\0:\0", 16))), "not understood") << "UTF-16";
  EXPECT_EQ(Multipart(Part("x: y", R"({"a":"x)")), Part("x: y", R"({"a":"x)"));
  EXPECT_EQ(Multipart(Part("Content-Transfer-Encoding: base64", "e30=")), "not understood");
  EXPECT_EQ(Multipart(Part("Content-Type: multipart/mixed; boundary=C", "--C--")), "not understood");
}

TEST(RedactMultipart, ABoundaryIsTheWholeBoundary) {
  EXPECT_EQ(Multipart("--B\r\nname=x\r\n\r\none\r\n--Bsecret\r\n\r\ntwo\r\n--B--"), "not understood");
  EXPECT_EQ(Multipart("--B \t\r\n; name=token\r\n\r\none\r\n--B--"), "--B \t\r\n; name=token\r\n\r\n***\r\n--B--");
  EXPECT_EQ(Multipart("--B\r\n; name=a\r\n\r\n--B--"), "--B\r\n; name=a\r\n\r\n--B--") << "an empty part";
  EXPECT_EQ(Multipart("--B\r\n; name=token\r\n\r\n--B--"), "--B\r\n; name=token\r\n\r\n***\r\n--B--")
      << "an empty part";
  EXPECT_EQ(Multipart("{\"token\":1}\r\n--B--"), "not understood") << "before the first part";
  EXPECT_EQ(Multipart("--B--\r\n{\"token\":1}"), "not understood") << "after the last";
  std::string any = Part("name=x", "y");
  EXPECT_FALSE(RedactMultipart(kNames, kMask, "multipart/form-data; boundary=B; boundary=C", any));
}

TEST(Look, KeysAreSeenInBytesOfAnyKind) {
  for (const char* text : {"x = {\"password\" : 1}", "callback({'Token':1})", "\"{\\\"token\\\":1}\"",
                           "{\"pass\\u0077ord\":1}", "data: {\"a\":1,\"token\":2}\n\n", "\"a\":\"token\":"})
    EXPECT_TRUE(MentionsKey(kNames, text)) << text;
  EXPECT_TRUE(MentionsKey(kNames, std::string_view("\0\"\0t\0o\0k\0e\0n\0\"\0:", 16)));
  for (const char* text :
       {"", ":", "\":", "token:1", "\"token\", 1: 2", "\"tokens\":1", "\"my token\":1", "password: \"x\""})
    EXPECT_FALSE(MentionsKey(kNames, text)) << text;
}

TEST(Look, FormsBeginWithAName) {
  for (const char* text : {"a=", "user[name]=x&y", "a%20b+c=1"}) EXPECT_TRUE(LooksLikeForm(text)) << text;
  for (const char* text : {"", "=a", "a b=c", "<a b=c", "\x01=", "a"}) EXPECT_FALSE(LooksLikeForm(text)) << text;
  EXPECT_FALSE(LooksLikeForm(std::string(1000, 'a') + "="));
}

}  // namespace
}  // namespace podtap
