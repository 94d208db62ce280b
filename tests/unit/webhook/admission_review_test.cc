// SPDX-License-Identifier: Apache-2.0
#include "webhook/admission_review.h"

#include "webhook/base64.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/webhook/pods.h"
#include "webhook/mutator.h"
#include "webhook/namespaces_file.h"
#include "webhook/review_memory.h"

namespace podtap::webhook {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kUid = "705ab4f5-6393-11e8-b7cc-42010a800002";

std::string Review(std::string_view object, std::string_view operation = "CREATE", std::string_view kind = "Pod") {
  std::string text = R"({"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{"uid":")";
  text.append(kUid).append(R"(","kind":{"group":"","version":"v1","kind":")").append(kind);
  text.append(R"("},"resource":{"group":"","version":"v1","resource":"pods"},"namespace":"shop","operation":")");
  text.append(operation).append(R"(","userInfo":{"username":"u"},"object":)").append(object);
  return text.append(R"(,"oldObject":null,"options":{"kind":"CreateOptions"}}})");
}

// A document with the memory that it was read in.
struct Parsed {
  explicit Parsed(size_t limit) : memory(limit) {}
  ReviewMemory memory;
  ParsedReview review;
};
std::unique_ptr<Parsed> Parse(std::string_view text, size_t block = 1 << 20, size_t limit = 8 << 20) {
  auto parsed = std::make_unique<Parsed>(limit);
  std::vector<std::string_view> blocks;
  for (size_t at = 0; at < text.size(); at += block) blocks.push_back(text.substr(at, block));
  parsed->review = ParseReview(blocks, &parsed->memory);
  return parsed;
}

class MutatorTest : public testing::Test {
 protected:
  MutateAnswer Mutate(std::string_view body) const { return mutator_.Mutate(std::span(&body, 1)); }
  json::value Response(std::string_view body) const {
    const MutateAnswer answer = Mutate(body);
    EXPECT_EQ(answer.status, 200u) << answer.body;
    return Json(answer.body).at("response");
  }

  InjectorConfig config_ = TestConfig();
  NamespacesFile namespaces_{""};
  WebhookMetrics metrics_;
  Mutator mutator_{config_, namespaces_, metrics_};
};

TEST(ParseReview, SkipsWhatNobodyReads) {
  const std::string text =
      Review(R"({"metadata":{"name":"a","managedFields":[{"fieldsV1":{"f:x":{}}}],"labels":{"app":"x"}},)"
             R"("spec":{"status":"kept","managedFields":[1]},"status":{"phase":"Pending"}})");
  const auto parsed = Parse(text);
  ASSERT_EQ(parsed->review.outcome, ParsedReview::Outcome::kOk) << parsed->review.error;
  EXPECT_EQ(parsed->review.document.at("request").at("object"),
            Json(R"({"metadata":{"name":"a","managedFields":null,"labels":{"app":"x"}},)"
                 R"("spec":{"status":"kept","managedFields":[1]},"status":null})"));
  EXPECT_TRUE(parsed->review.document.at("request").at("userInfo").is_null());
}

TEST(ParseReview, BlocksMayBeCutAnywhere) {
  const std::string text = Review(
      R"({"metadata":{"name":"\u00e9\ud83d\ude00","annotations":{"a\"b":"c"}},"spec":{"n":-12.5e3,"t":true,"big":18446744073709551615}})");
  const json::value whole = Parse(text)->review.document;
  for (size_t block = 1; block <= 64; ++block) {
    const auto parsed = Parse(text, block);
    ASSERT_EQ(parsed->review.outcome, ParsedReview::Outcome::kOk) << block << ": " << parsed->review.error;
    ASSERT_EQ(parsed->review.uid, kUid);
    ASSERT_EQ(parsed->review.document, whole) << block;
  }
}

TEST(ParseReview, TheUidIsKnownEvenIfTheRestIsBroken) {
  const std::string text = Review(R"({"spec":{}})");
  for (size_t cut = text.find(kUid) + kUid.size() + 1; cut < text.size(); ++cut) {
    const auto parsed = Parse(text.substr(0, cut));
    ASSERT_EQ(parsed->review.outcome, ParsedReview::Outcome::kBad);
    ASSERT_EQ(parsed->review.uid, kUid) << cut;
  }
  EXPECT_EQ(Parse(text + "x")->review.outcome, ParsedReview::Outcome::kBad);
  EXPECT_EQ(Parse(text + "x")->review.uid, kUid);
  EXPECT_EQ(Parse(text + " \n")->review.outcome, ParsedReview::Outcome::kOk);
}

TEST(ParseReview, AUidThatIsCutOrStandsElsewhereIsNone) {
  const std::string text = Review(R"({"spec":{}})");
  EXPECT_EQ(Parse(text.substr(0, text.find(kUid) + 10))->review.uid, "");
  EXPECT_EQ(Parse(R"({"uid":"a","request":{"object":{"metadata":{"uid":"b"}},"x":[{"uid":"c"}]}})")->review.uid, "");
  EXPECT_EQ(Parse(R"({"request":{"uid":7}})")->review.uid, "");
}

TEST(ParseReview, NestingIsBoundedBy128) {
  const auto nested = [](size_t depth) {
    return Review(R"({"metadata":)" + std::string(depth, '[') + std::string(depth, ']') + "}");
  };
  EXPECT_EQ(Parse(nested(100))->review.outcome, ParsedReview::Outcome::kOk);
  EXPECT_EQ(Parse(nested(125))->review.outcome, ParsedReview::Outcome::kOk);
  EXPECT_EQ(Parse(nested(126))->review.outcome, ParsedReview::Outcome::kBad);
  EXPECT_EQ(Parse(nested(100000))->review.uid, kUid);
}

TEST(ParseReview, MemoryIsBounded) {
  std::string zeros = "[0";
  for (int i = 0; i < 200000; ++i) zeros += ",0";
  const auto parsed = Parse(Review(zeros + "]"), 64 << 10, 2 << 20);
  EXPECT_EQ(parsed->review.outcome, ParsedReview::Outcome::kTooLarge);
  EXPECT_EQ(parsed->review.uid, kUid);
}

std::string UidOf(std::string_view text) { return ReadUid({&text, 1}); }

TEST(ReadUid, ItMayStandBehindTheObjectAndBehindDeepNesting) {
  std::string deep(500, '[');
  deep.append(500, ']');
  const std::string text = R"({"request":{"object":{"deep":)" + deep + R"(},"uid":"behind"}})";
  EXPECT_EQ(UidOf(text), "behind");
  UidReader reader;
  for (const char& c : text) reader.Add({&c, 1});
  EXPECT_EQ(reader.uid(), "behind");
  boost::json::monotonic_resource memory;
  const std::string_view block = text;
  const ParsedReview review = ParseReview({&block, 1}, &memory);
  EXPECT_NE(review.outcome, ParsedReview::Outcome::kOk);
  EXPECT_EQ(review.uid, "behind");
}

TEST(ReadUid, TheFirstKiBIsEnough) {
  const std::string text = Review(R"({"metadata":{"name":")" + std::string(100000, 'a') + "\"}}");
  EXPECT_EQ(UidOf(std::string_view(text).substr(0, 1024)), kUid);
  EXPECT_EQ(UidOf(""), "");
  EXPECT_EQ(UidOf("not json"), "");
}

TEST(Base64, IsRfc4648) {
  for (const auto& [plain, coded] : std::vector<std::pair<std::string, std::string>>{
           {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"\xff\xfe", "//4="}})
    EXPECT_EQ(Base64(plain), coded);
}

TEST_F(MutatorTest, AnAskingPodGetsAPatch) {
  const json::value response = Response(Review(json::serialize(AskingPod())));
  EXPECT_EQ(TextAt(response, "/uid"), kUid);
  EXPECT_EQ(At(response, "/allowed"), true);
  EXPECT_EQ(TextAt(response, "/patchType"), "JSONPatch");
  EXPECT_FALSE(TextAt(response, "/patch").empty());
  EXPECT_EQ(metrics_.Decisions(Reason::kPodEnabled), 1u);
}

TEST_F(MutatorTest, PatchAndPatchTypeComeTogetherOrNotAtAll) {
  const json::value response = Response(Review(json::serialize(Pod())));
  EXPECT_TRUE(At(response, "/patch").is_null());
  EXPECT_TRUE(At(response, "/patchType").is_null());
}

TEST_F(MutatorTest, EverythingWithAUidIsAllowed) {
  const std::string pod = json::serialize(AskingPod());
  struct Case {
    std::string body;
    Reason reason;
  };
  const Case cases[] = {
      {Review(pod, "UPDATE"), Reason::kNotPodCreate},
      {Review(pod, "CREATE", "Deployment"), Reason::kNotPodCreate},
      {Review("null"), Reason::kNotPodCreate},
      {Review("[]"), Reason::kNotPodCreate},
      {Review("{}"), Reason::kMalformedPod},
      {Review(R"({"spec":{"containers":[]}})"), Reason::kMalformedPod},
      {Review(R"({"spec":{"containers":"x"}})"), Reason::kMalformedPod},
      {R"({"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1","request":{"uid":"u"}})",
       Reason::kBadReview},
      {R"({"kind":"Pod","apiVersion":"v1","request":{"uid":"u"}})", Reason::kBadReview},
      {R"({"request":{"uid":"u"},)", Reason::kBadReview},
  };
  for (const Case& c : cases) {
    const uint64_t before = metrics_.Decisions(c.reason);
    const json::value response = Response(c.body);
    EXPECT_EQ(At(response, "/allowed"), true) << c.body;
    EXPECT_TRUE(At(response, "/patch").is_null()) << c.body;
    EXPECT_EQ(TextAt(response, "/auditAnnotations/reason"), TextOf(c.reason)) << c.body;
    EXPECT_EQ(metrics_.Decisions(c.reason), before + 1);
  }
}

TEST_F(MutatorTest, WithoutAUidTheAnswerIs400) {
  for (const char* body : {"", "{", "null", "[]", "{}", R"({"request":{}})", R"({"request":{"uid":""}})", "\xff\xfe"})
    EXPECT_EQ(Mutate(body).status, 400u) << body;
}

TEST_F(MutatorTest, AUidOfStrangeCharactersComesBackAsItWas) {
  const json::value response = Response(R"({"request":{"uid":"a\"\\\u0001é"}})");
  EXPECT_EQ(TextAt(response, "/uid"), "a\"\\\x01é");
}

TEST_F(MutatorTest, TheNamespaceComesFromTheRequestElseFromThePod) {
  config_.skip_namespaces = {"shop"};
  EXPECT_EQ(TextAt(Response(Review(json::serialize(AskingPod()))), "/auditAnnotations/reason"), "skip-namespace");
  std::string without =
      Review(R"({"metadata":{"namespace":"shop","annotations":{"mirror.traceable.ai/enabled":"true"}},)"
             R"("spec":{"containers":[{"name":"a"}]}})");
  without.replace(without.find(R"("namespace":"shop","operation")"), 19, "");
  EXPECT_EQ(TextAt(Response(without), "/auditAnnotations/reason"), "skip-namespace");
  without.replace(without.find(R"("namespace":"shop",)"), 19, "");
  EXPECT_EQ(TextAt(Response(without), "/auditAnnotations/reason"), "namespace-unknown");
}

TEST_F(MutatorTest, BodiesThatWereNotKeptAreAllowedByTheirBeginning) {
  const std::string text = Review(R"({"spec":{}})");
  const MutateAnswer answer = mutator_.AllowUnread(UidOf(text.substr(0, 200)), Reason::kOverloaded);
  EXPECT_EQ(answer.status, 200u);
  EXPECT_THAT(answer.body, HasSubstr(kUid));
  EXPECT_EQ(metrics_.Decisions(Reason::kOverloaded), 1u);
  EXPECT_EQ(mutator_.AllowUnread(UidOf("{"), Reason::kOverloaded).status, 400u);
}

}  // namespace
}  // namespace podtap::webhook
