// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/policy.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "sidecar/policy/glob.h"
#include "tests/unit/policy/codings.h"

namespace podtap {
namespace {

HttpEvent Exchange(std::string target = "/api/items?token=abc&x=1") {
  HttpEvent event;
  event.connection.id = ConnectionId{7};
  event.connection.role = Role::kAccepted;
  event.connection.local = Endpoint::V4(10, 0, 0, 1, 8080);
  event.exchange = 1;
  event.method = "POST";
  event.target = std::move(target);
  event.request.seen = event.response.seen = event.request.finished = event.response.finished = true;
  event.request.headers.Add("Host", "Shop.example:8080");
  event.request.headers.Add("User-Agent", "curl/8");
  event.status = 200;
  event.request.start = event.response.end = Timestamp{1'000'000'000};
  return event;
}

void SetBody(HttpMessage& message, std::string body, const char* type, const char* coding = nullptr) {
  if (type != nullptr) message.headers.Add("Content-Type", type);
  if (coding != nullptr) message.headers.Add("Content-Encoding", coding);
  message.body_bytes = body.size();
  message.body = std::move(body);
}

class PolicyTest : public testing::Test {
 protected:
  HttpEvent Apply(HttpEvent event) {
    const Policy policy(settings_, counters_);
    policy.ApplyToBodies(event);
    policy.ApplyToUrls(event);
    return event;
  }
  HttpEvent ApplyToBody(std::string body, const char* type, const char* coding = nullptr) {
    HttpEvent event = Exchange();
    SetBody(event.request, std::move(body), type, coding);
    return Apply(std::move(event));
  }
  bool Admits(const HttpEvent& event) { return Policy(settings_, counters_).Admits(event); }
  PolicySettings settings_;
  Counters counters_;
};

TEST_F(PolicyTest, DoesNothingByItself) {
  const HttpEvent event = ApplyToBody("{\"password\":1}", "application/json");
  EXPECT_EQ(event.target, "/api/items?token=abc&x=1");
  EXPECT_EQ(event.request.body, "{\"password\":1}");
  EXPECT_TRUE(event.tags.empty());
  EXPECT_TRUE(Admits(event));
}

TEST_F(PolicyTest, RedactsParametersInTargetAndUrlHeaders) {
  settings_.redact_query = {"TOKEN"};
  HttpEvent event = Exchange();
  event.request.headers.Add("Referer", "http://h/?token=secret");
  event.request.headers.Add("X-Other", "?token=kept");
  event.response.headers.Add("Location", "/next#token=secret");
  event = Apply(event);
  EXPECT_EQ(event.target, "/api/items?token=***&x=1");
  EXPECT_EQ(event.request.headers.Get("referer"), "http://h/?token=***");
  EXPECT_EQ(event.request.headers.Get("x-other"), "?token=kept");
  EXPECT_EQ(event.response.headers.Get("location"), "/next#token=***");
}

TEST_F(PolicyTest, RedactsBodiesByTypeAndByLook) {
  settings_.bodies.redact_fields = {"password"};
  for (const char* type :
       {"application/json", "application/problem+json; charset=utf-8", "APPLICATION/JSON", "text/plain",
        "application/x-www-form-urlencoded", "application/octet-stream", static_cast<const char*>(nullptr)}) {
    const HttpEvent event = ApplyToBody("{\"password\":\"secret\"}", type);
    EXPECT_EQ(event.request.body, "{\"password\":\"***\"}") << (type == nullptr ? "none" : type);
    EXPECT_EQ(event.request.body_bytes, 21u) << "sizes stay those of the wire";
  }
  EXPECT_EQ(ApplyToBody("a=1&password=secret", "application/x-www-form-urlencoded").request.body, "a=1&password=***");
  EXPECT_EQ(ApplyToBody("password=secret", nullptr).request.body, "password=***");
  EXPECT_EQ(ApplyToBody("<a password=\"x\"/>", "text/html").request.body, "<a password=\"x\"/>");
  EXPECT_EQ(ApplyToBody("[INFO] hello", "text/plain").request.body, "[INFO] hello");
}

TEST_F(PolicyTest, WhatCannotBeReadDoesNotLeave) {
  settings_.bodies.redact_fields = {"password"};
  const std::pair<std::string, const char*> bodies[] = {
      {"{\"password\":\"secret", "application/json"},
      {"not json: password secret", "application/json"},
      {"{\"password\":\"secret\"} rest", "text/plain"},
      {"{\"password\":\"secret\"}", "application/json; charset=utf-16"},
      {std::string("{\0\"\0p\0", 6), "application/json"},
      {"--B\r\nname=password\r\n\r\nsecret", "multipart/form-data; boundary=B"}};
  for (const auto& [body, type] : bodies) {
    const HttpEvent event = ApplyToBody(body, type);
    EXPECT_EQ(event.request.body, "") << body;
    EXPECT_TRUE(event.tags.Has(Tag::kBodyWithheld)) << body;
    EXPECT_EQ(event.request.body_bytes, body.size());
  }
  EXPECT_EQ(counters_.Get(Counter::kBodiesWithheld), std::size(bodies));
  HttpEvent cut = Exchange();
  SetBody(cut.request, "a=1&passw", "application/x-www-form-urlencoded");
  cut.request.body_bytes = 1000;
  EXPECT_EQ(Apply(cut).request.body, "");
  HttpEvent between = Exchange();
  SetBody(between.request, "{\"password\":\"secret\",", "application/json");
  between.request.body_bytes = 1000;
  EXPECT_EQ(Apply(between).request.body, "{\"password\":\"***\",");
}

TEST_F(PolicyTest, WhatNoRuleCanReadAndMentionsAFieldDoesNotLeave) {
  settings_.bodies.redact_fields = {"password"};
  const std::string script = "var user = {\"password\": \"secret\"}";
  for (const char* type : {"text/html", "application/javascript", "text/event-stream", "application/vnd.unheard-of",
                           "application/octet-stream", "text/plain", static_cast<const char*>(nullptr)}) {
    EXPECT_TRUE(ApplyToBody(script, type).tags.Has(Tag::kBodyWithheld)) << type;
    const HttpEvent coded = ApplyToBody(ByZlib(script, 31), type, "gzip");
    EXPECT_TRUE(coded.tags.Has(Tag::kBodyWithheld)) << type;
    EXPECT_EQ(coded.request.body, "");
  }
  EXPECT_EQ(ApplyToBody("var user = {\"name\": 1}", "text/html").request.body, "var user = {\"name\": 1}");
  const std::string harmless = ByZlib("var user = 1", 31);
  EXPECT_EQ(ApplyToBody(harmless, "text/html", "gzip").request.body, harmless) << "nobody asked to decode it";
  EXPECT_TRUE(ApplyToBody("a", "text/plain; charset=utf-16").tags.Has(Tag::kBodyWithheld));
  EXPECT_FALSE(ApplyToBody("a", "text/html; charset=shift_jis").tags.Has(Tag::kBodyWithheld));
  EXPECT_EQ(ApplyToBody(std::string("\x01=\0\0", 4), "application/octet-stream").request.body.size(), 4u);
}

TEST_F(PolicyTest, SeveralContentTypesOrCodingsHideNothing) {
  settings_.bodies.redact_fields = {"password"};
  const std::string json = "{\"password\":\"secret\"}";
  HttpEvent event = Exchange();
  event.request.headers.Add("Content-Type", "image/png");
  SetBody(event.request, json, "application/json");
  EXPECT_EQ(Apply(event).request.body, "{\"password\":\"***\"}");
  event = Exchange();
  event.request.headers.Add("Content-Encoding", "gzip");
  SetBody(event.request, ByZlib(ByZlib(json, 31), 31), "application/json", "gzip");
  EXPECT_EQ(Apply(event).request.body, "{\"password\":\"***\"}");
}

TEST_F(PolicyTest, WhatWasNotLookedAtToItsEndDoesNotLeave) {
  settings_.bodies.redact_fields = {"password"};
  settings_.bodies.limits.max_bytes = 1000;
  EXPECT_TRUE(ApplyToBody(ByZlib(std::string(2000, 'x') + "\"password\":1", 31), "text/html", "gzip")
                  .tags.Has(Tag::kBodyWithheld));
}

TEST_F(PolicyTest, CodedBodiesAreRedactedDecodedOrWithheld) {
  settings_.bodies.redact_fields = {"password"};
  const std::string json = "{\"password\":\"secret\"}";
  const HttpEvent event = ApplyToBody(ByZlib(json, 31), "application/json", "gzip");
  EXPECT_EQ(event.request.body, "{\"password\":\"***\"}");
  EXPECT_TRUE(event.tags.Has(Tag::kDecoded));
  EXPECT_EQ(event.request.wire_body, nullptr);
  for (const char* type : {"application/json", "text/plain", static_cast<const char*>(nullptr)})
    EXPECT_TRUE(ApplyToBody("not gzip", type, "gzip").tags.Has(Tag::kBodyWithheld));
  EXPECT_TRUE(ApplyToBody(json, "application/json", "unheard-of").tags.Has(Tag::kBodyWithheld));
  EXPECT_EQ(ApplyToBody("not gzip", "image/png", "gzip").request.body, "not gzip") << "no rule applies to it";
  EXPECT_TRUE(
      ApplyToBody(ByZlib(std::string(5 << 20, ' '), 31), "application/json", "gzip").tags.Has(Tag::kBodyWithheld))
      << "a bomb";
}

TEST_F(PolicyTest, DecodesTextWhereAskedAndKeepsTheWiresBodyForThoseWhoMustHaveIt) {
  settings_.bodies.decode = true;
  const std::string coded = ByZlib("<p>hello</p>", 31);
  HttpEvent event = ApplyToBody(coded, "text/html", "gzip");
  EXPECT_EQ(event.request.body, "<p>hello</p>");
  EXPECT_TRUE(event.request.body_decoded);
  EXPECT_EQ(event.request.body_bytes, coded.size());
  EXPECT_EQ(event.request.wire_body, nullptr);
  EXPECT_EQ(ApplyToBody(coded, "image/svg", "gzip").request.body, coded);
  EXPECT_EQ(ApplyToBody("broken", "text/html", "gzip").request.body, "broken");
  settings_.bodies.keep_wire_bodies = true;
  event = ApplyToBody(coded, "text/html", "gzip");
  ASSERT_NE(event.request.wire_body, nullptr);
  EXPECT_EQ(*event.request.wire_body, coded);
}

TEST_F(PolicyTest, KeepsOnlyBodiesOfWantedTypes) {
  settings_.bodies.keep_types = {"application/json", "text/*"};
  EXPECT_EQ(ApplyToBody("{}", "Application/JSON; charset=utf-8").request.body, "{}");
  EXPECT_EQ(ApplyToBody("x", "text/csv").request.body, "x");
  const HttpEvent event = ApplyToBody("x", "image/png");
  EXPECT_EQ(event.request.body, "");
  EXPECT_TRUE(event.tags.Has(Tag::kBodyLeftOut));
}

TEST_F(PolicyTest, FiltersByWhatAnExchangeIs) {
  const auto admits = [this](auto set, const HttpEvent& event = Exchange()) {
    settings_.filter = {};
    set(settings_.filter);
    return Admits(event);
  };
  EXPECT_TRUE(admits([](auto& f) { f.include_paths = {"/api/*"}; }));
  EXPECT_FALSE(admits([](auto& f) { f.include_paths = {"/other"}; }));
  EXPECT_FALSE(admits([](auto& f) { f.exclude_paths = {"/**"}; }));
  EXPECT_FALSE(admits([](auto& f) { f.exclude_paths = {"/api/items"}; }, Exchange("http://h/api/items?x")));
  EXPECT_FALSE(admits([](auto& f) { f.include_methods = {"GET"}; }));
  EXPECT_FALSE(admits([](auto& f) { f.exclude_methods = {"POST"}; }));
  EXPECT_TRUE(admits([](auto& f) { f.include_hosts = {"*.example"}; }));
  EXPECT_FALSE(admits([](auto& f) { f.exclude_hosts = {"shop.example"}; }));
  EXPECT_FALSE(admits([](auto& f) { f.include_statuses = {{400, 599}}; }));
  EXPECT_TRUE(admits([](auto& f) { f.include_statuses = {{200, 299}}; }));
  EXPECT_FALSE(admits([](auto& f) { f.exclude_ports = {{8000, 8999}}; }));
  EXPECT_TRUE(admits([](auto& f) { f.include_ports = {{8080, 8080}}; }));
  EXPECT_FALSE(admits([](auto& f) { f.exclude_user_agents = {"curl/*"}; }));
  EXPECT_EQ(counters_.Get(Counter::kEventsSkippedPath), 3u);
  EXPECT_EQ(counters_.Get(Counter::kEventsSkippedMethod), 2u);
  EXPECT_EQ(counters_.Get(Counter::kEventsSkippedHost), 1u);
  EXPECT_EQ(counters_.Get(Counter::kEventsSkippedStatus), 1u);
  EXPECT_EQ(counters_.Get(Counter::kEventsSkippedPort), 1u);
  EXPECT_EQ(counters_.Get(Counter::kEventsIgnoredUserAgent), 1u);
}

TEST(Glob, StarsStayWithinASegmentAndDoubleStarsDoNot) {
  for (const auto& [glob, text] : {std::pair{"/a/*", "/a/b"},
                                   {"/a/**", "/a/b/c"},
                                   {"/a/*/c", "/a/b/c"},
                                   {"**", ""},
                                   {"*", ""},
                                   {"/**/z", "/a/b/z"},
                                   {"/?", "/a"},
                                   {"*a*b", "xaxxb"},
                                   {"**/a*", "/x/y/abc"}})
    EXPECT_TRUE(Matches(glob, text)) << glob << " " << text;
  for (const auto& [glob, text] : {std::pair{"/a/*", "/a/b/c"},
                                   {"/a", "/a/"},
                                   {"/?", "//"},
                                   {"", "a"},
                                   {"*/b", "a/c/b"},
                                   {"**/a*", "/x/abc/y"},
                                   {"/a/**", "/a"}})
    EXPECT_FALSE(Matches(glob, text)) << glob << " " << text;
}

TEST(Lists, OfStatusesAndPortsSayWhatTheyTake) {
  EXPECT_EQ(ParseStatuses("f", {"404", "5xx"})->at(1).high, 599);
  EXPECT_EQ(ParsePorts("f", {"80", "8000-8999"})->at(1).low, 8000);
  for (const char* item : {"40", "xxx", "0xx", "5x", "-1", "1000"}) EXPECT_FALSE(ParseStatuses("f", {item})) << item;
  for (const char* item : {"0", "70000", "9-8", "a", "", "1-"}) EXPECT_FALSE(ParsePorts("f", {item})) << item;
}

TEST(Sampler, LetsAShareThroughEvenlyOverConnections) {
  Sampler sampler(0.25, 0);
  for (uint64_t connection = 1; connection <= 20; ++connection) {
    int through = 0;
    for (uint64_t exchange = 1; exchange <= 1000; ++exchange) {
      HttpEvent event = Exchange();
      event.connection.id = ConnectionId{connection};
      event.exchange = exchange;
      through += sampler.LeavesOut(event) ? 0 : 1;
    }
    EXPECT_NEAR(through, 250, 60);
  }
  Sampler none(0, 0), all(1, 0);
  EXPECT_TRUE(none.LeavesOut(Exchange()));
  EXPECT_FALSE(all.LeavesOut(Exchange()));
}

TEST(Sampler, TakesAllRecordsOfAStreamOrNone) {
  Sampler sampler(0.5, 0);
  for (uint32_t stream = 1; stream < 200; stream += 2) {
    std::set<bool> outcomes;
    for (uint64_t record = 1; record <= 10; ++record) {
      HttpEvent event = Exchange();
      event.http2.emplace().id = stream;
      event.exchange = stream * 100 + record;
      if (record < 10) event.tags.Add(Tag::kInterim);
      outcomes.insert(sampler.LeavesOut(event).has_value());
    }
    EXPECT_EQ(outcomes.size(), 1u) << stream;
  }
  // And what goes on takes nobody's part of a second.
  Sampler few(1, 1);
  HttpEvent event = Exchange();
  event.tags.Add(Tag::kInterim);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(few.LeavesOut(event));
  EXPECT_FALSE(few.LeavesOut(Exchange()));
}

TEST(Sampler, GivesEachConnectionItsFairPartOfASecond) {
  Sampler sampler(1, 100);
  std::map<uint64_t, int> through;
  for (uint64_t second = 1; second <= 10; ++second) {
    through.clear();
    // One talks 1000 times at the beginning of each second, then five talk 10 times.
    for (uint64_t i = 0; i < 1050; ++i) {
      HttpEvent event = Exchange();
      event.connection.id = ConnectionId{i < 1000 ? 1 : 2 + i % 5};
      event.exchange = second * 10'000 + i;
      event.request.start = event.response.end = Timestamp{second * 1'000'000'000 + i};
      if (!sampler.LeavesOut(event)) ++through[event.connection.id.value];
    }
  }
  EXPECT_EQ(through[1], 50);
  for (uint64_t quiet = 2; quiet <= 6; ++quiet) EXPECT_EQ(through[quiet], 10);
}

}  // namespace
}  // namespace podtap
