// SPDX-License-Identifier: Apache-2.0
// The SessionTable: what a connection speaks, whose role it has, what the operator wants to see.
#include <set>

#include "tests/unit/http/story.h"

namespace podtap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::string_literals;
using namespace std::string_view_literals;

constexpr Direction kIn = Direction::kIngress;
constexpr Direction kOut = Direction::kEgress;
using Want = Interest::Want;

std::vector<Want> Wanted(const Table& table, Direction direction) {
  std::vector<Want> all;
  for (const Interest& interest : table.interests)
    if (interest.direction == direction) all.push_back(interest.want);
  return all;
}

// ---- what it speaks

TEST(SessionTable, TlsIsCountedOnceAndNotCopiedAnyMore) {
  Story s;
  s.Open().Slowly(kIn, "\x16\x03\x01\x02\x00\x01"sv).Egress("\x16\x03\x03\x00\x7a"sv).Ingress("\x17\x03\x03"sv).Close();
  EXPECT_THAT(s.events(), IsEmpty());
  EXPECT_EQ(s.Count(Counter::kConnectionsTls), 1u);
  EXPECT_EQ(s.Count(Counter::kRequestErrors) + s.Count(Counter::kResponseErrors), 0u);
  EXPECT_THAT(Wanted(s.table(), kIn), ElementsAre(Want::kNothing));
  EXPECT_THAT(Wanted(s.table(), kOut), ElementsAre(Want::kNothing));
  EXPECT_EQ(s.table().budget.used(), 0u);
}

TEST(SessionTable, TheHttp2PrefaceIsCountedAsSuch) {
  Story s;
  s.Open().Ingress("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"sv).Egress("\0\0\0\4\0"sv).Close();
  EXPECT_THAT(s.events(), IsEmpty());
  EXPECT_EQ(s.Count(Counter::kConnectionsHttp2), 1u);
  EXPECT_EQ(s.Count(Counter::kRequestErrors), 0u);
}

TEST(SessionTable, AnUpgradeToHttp2IsRecognisedThoughTheServerSpeaksFirst) {
  Story s;
  s.Open().Ingress("GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\n").Egress("HTTP/1.1 101 Switching\r\n\r\n");
  s.Egress("\0\0\x06\x04\0\0\0\0\0"sv).Ingress("PRI * HTTP/2.0\r\n").Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET / 101"));
  EXPECT_EQ(s.Count(Counter::kConnectionsHttp2), 1u);
}

TEST(SessionTable, OtherProtocolsAreReducedToTheHeadsOfTurns) {
  for (const auto& [client, server] : {std::pair{"*1\r\n$4\r\nPING\r\n"s, "+PONG\r\n"s}, std::pair{"\0\0\0\x08"s, "N"s},
                                       std::pair{"SSH-2.0-x\r\n"s, "SSH-2.0-y\r\n"s}}) {
    Story s;
    s.Open().Ingress(client).Egress(server).Ingress(client).Egress(server).Close();
    EXPECT_THAT(s.events(), IsEmpty());
    EXPECT_EQ(s.Count(Counter::kConnectionsOther), 1u);
    EXPECT_EQ(s.Count(Counter::kConnectionsHttp1), 0u);
    EXPECT_EQ(s.Count(Counter::kRequestErrors) + s.Count(Counter::kResponseErrors), 0u);
    EXPECT_THAT(Wanted(s.table(), kIn), ElementsAre(Want::kTurnHeads));
    EXPECT_THAT(Wanted(s.table(), kOut), ElementsAre(Want::kTurnHeads));
  }
}

TEST(SessionTable, StartTlsIsFoundBehindAnotherProtocol) {
  Story s;
  s.Open().Egress("220 mail ESMTP\r\n").Ingress("EHLO a\r\n").Egress("250 STARTTLS\r\n").Ingress("STARTTLS\r\n");
  s.Egress("220 go\r\n").Ingress("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello"sv).Close();
  EXPECT_EQ(s.Count(Counter::kConnectionsOther), 1u);
  EXPECT_EQ(s.Count(Counter::kConnectionsTls), 1u);
}

TEST(SessionTable, HttpIsFoundBehindAnotherProtocol) {
  Story s;
  s.Open().Egress("hello, who are you?\n").Ingress("a friend\n").Egress("go on\n").Ingress(Get("/1")).Egress(Ok("1"));
  s.Ingress(Get("/2")).Egress(Ok("2")).Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "GET /2 200"));
  EXPECT_TRUE(s[0].complete && s[1].complete);
  EXPECT_THAT(Wanted(s.table(), kIn), ElementsAre(Want::kTurnHeads, Want::kEverything));
}

TEST(SessionTable, OfTheFirstRequestBehindAnotherProtocolTheRestMayBeLeftOut) {
  Story s;
  s.Open().Egress("hello\n").Ingress("friend\n").Egress("go on\n");
  s.Ingress("GET /a/long/targ").Skip(kIn, 40).Egress(Ok("1")).Ingress(Get("/2")).Egress(Ok("2")).Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("- 200", "GET /2 200"));
  EXPECT_FALSE(s[0].complete);
  EXPECT_TRUE(s[1].complete);
}

TEST(SessionTable, RequestsFromTheServerAreNotHttp) {
  Story s;  // accepted, but the pod's side sends the request
  s.Open().Egress(Get("/1")).Ingress(Ok("1")).Egress(Get("/2")).Close();
  EXPECT_THAT(s.events(), IsEmpty());
  EXPECT_EQ(s.Count(Counter::kConnectionsOther), 1u);
}

// Such a preface once changed the protocol of the connection for ever, inside itself.
TEST(SessionTable, AnHttp2PrefaceFromTheServerIsNotHttp) {
  for (const bool late : {false, true}) {
    Story s;
    s.Open(!late).Egress("hello\n").Ingress("friend\n").Egress("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    s.Ingress("what?\n").Egress("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").Close();
    EXPECT_THAT(s.events(), IsEmpty());
    EXPECT_EQ(s.Count(Counter::kConnectionsHttp2), 0u);
  }
}

TEST(SessionTable, TunnelsInsideTunnelsAreBounded) {
  std::string requests;
  std::string responses;
  for (int i = 0; i < 3000; ++i) {
    requests += "CONNECT a:1 HTTP/1.1\r\n\r\n";
    responses += "HTTP/1.1 200 OK\r\n\r\n";
  }
  Story s;
  s.Open().Ingress(requests).Egress(responses).Ingress(Get("/later")).Egress(Ok("1")).Close();
  ASSERT_GE(s.events().size(), 10u);
  EXPECT_LT(s.events().size(), 100u);
  EXPECT_EQ(s.Count(Counter::kRequestErrors), 1u);
  EXPECT_THAT(Briefs(s.events()).back(), "GET /later 200");
  EXPECT_EQ(s.table().budget.used(), 0u);
}

TEST(SessionTable, SilentConnectionsLeaveNothing) {
  Story s;
  s.Open().Close();
  Story t;
  t.Open().Ingress("GE").End(kIn).Close();
  EXPECT_THAT(t.events(), IsEmpty());
  EXPECT_EQ(s.table().budget.used() + t.table().budget.used(), 0u);
  EXPECT_EQ(t.table().table.session_count(), 0u);
}

TEST(SessionTable, AHalfCloseWhileGuessingIsRemembered) {
  Story s;
  s.Open().Slowly(kIn, "GET / HTTP/1.0").End(kOut).Slowly(kIn, "\r\n\r\n");
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("unanswered"));
}

TEST(SessionTable, WebSocketFramesAfterALostSwitchDoNotHoldTheSourceForEver) {
  Story s;
  s.Open().Ingress("GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n").LoseEgress(80);
  for (int i = 0; i < 40; ++i) s.Egress("\x81\x02hi").Ingress("\x81\x82mask");
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /ws -"));
  EXPECT_EQ(Wanted(s.table(), kIn).back(), Want::kTurnHeads);
}

// ---- joined late

TEST(SessionTable, AnIdleConnectionJoinedLateIsReadFromItsNextRequest) {
  Story s;
  s.As(Role::kUnknown).OpenLate().Ingress(Get("/1")).Egress(Ok("1"));
  s.Wait(2);
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(Brief(s[0]), "GET /1 200");
  EXPECT_TRUE(s[0].complete);
  EXPECT_EQ(s[0].connection.role, Role::kAccepted);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("joined_late"));
}

TEST(SessionTable, TheSourceMayAnnounceTheLateJoinInEachDirection) {
  Story s;
  s.OpenLate();
  s.table().Say(s.connection.id, Gap{kIn, GapReason::kJoinedLate, std::nullopt});
  s.Ingress(Get("/1"));
  s.table().Say(s.connection.id, Gap{kOut, GapReason::kJoinedLate, std::nullopt});
  s.Egress(Ok("1")).Ingress(Get("/2")).Egress(Ok("2")).Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "GET /2 200"));
  EXPECT_TRUE(s[0].complete && s[1].complete);
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("joined_late"));
}

TEST(SessionTable, TheFirstRequestLineDecidesTheRole) {
  Story s;
  s.As(Role::kUnknown).OpenLate().Egress(Get("/out")).Ingress(Ok("1")).Close();
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].connection.role, Role::kOpened);
  EXPECT_EQ(s[0].client().Text(), "10.0.0.1:80");
}

TEST(SessionTable, JoinedInTheMiddleOfADownload) {
  Story s;
  s.As(Role::kUnknown).OpenLate().Egress("...rest of a body").Egress("more of it");
  s.Ingress(Get("/1")).Egress(Ok("1")).Ingress(Get("/2")).Egress(Ok("2")).Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "GET /2 200"));
  EXPECT_TRUE(s[0].complete && s[1].complete);
}

// The kernel leaves parts of a long body out while the ring is more than half full: the pieces are one turn.
TEST(SessionTable, JoinedInTheMiddleOfADownloadWithManyHoles) {
  Story s;
  s.As(Role::kUnknown).OpenLate();
  for (int i = 0; i < 40; ++i) s.Egress("\x81piece of a body").Skip(kOut, 100'000);
  EXPECT_EQ(s.Count(Counter::kConnectionsOther), 0u);
  EXPECT_THAT(Wanted(s.table(), kOut), IsEmpty());
  s.Ingress(Get("/1")).Egress(Ok("1")).Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200"));
  EXPECT_TRUE(s[0].complete);
}

TEST(SessionTable, AnAnswerToARequestBeforeTheJoin) {
  Story s;
  s.As(Role::kUnknown).OpenLate().Egress(Ok("0")).Ingress(Get("/1")).Egress(Ok("1")).Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("- 200", "GET /1 200"));
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("unrequested", "joined_late"));
  EXPECT_FALSE(s[0].complete);
  EXPECT_TRUE(s[1].complete);
}

TEST(SessionTable, ALateConnectionThatIsNeverHttpIsGivenUpAfterSomeTurns) {
  Story s;
  s.As(Role::kUnknown).OpenLate();
  for (int i = 0; i < 5; ++i) s.Ingress("\x01\x02\x03").Egress("\x04\x05\x06");
  EXPECT_EQ(s.Count(Counter::kConnectionsOther), 1u);
  EXPECT_EQ(Wanted(s.table(), kIn), std::vector<Want>{Want::kTurnHeads});
}

// After an exchange the connection speaks something else for long, and then HTTP again: whichever turn that is, and
// wherever its first packet ends.
TEST(SessionTable, AHeadInPiecesAfterManyStrangeTurnsIsWhole) {
  for (int turns = 0; turns < 24; ++turns) {
    for (const size_t cut : {1, 8, 20, 30}) {
      Story s;
      s.Open().Ingress(Get("/1")).Egress(Ok("1"));
      for (int i = 0; i < turns; ++i) s.Ingress("\x01\x02\x03\n").Egress("\x04\x05\x06\n");
      const std::string request = Get("/later");
      s.Ingress(request.substr(0, cut)).Ingress(request.substr(cut)).Egress(Ok("2")).Close();
      EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "GET /later 200")) << turns << " turns, cut " << cut;
    }
  }
}

TEST(SessionTable, TheFirstBytesOfAFreshConnectionAreLost) {
  Story s;
  s.Open().LoseIngress(100).Egress(Ok("1")).Ingress(Get("/2")).Egress(Ok("2")).Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("- 200", "GET /2 200"));
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("unrequested", "lost"));
}

TEST(SessionTable, WhatBecomesKnownLaterIsOnTheEvent) {
  Story s;
  s.Open().Ingress(Get("/1"));
  Connection known = s.connection;
  known.process.pid = 42;
  known.loopback = true;
  s.Identify(known).Egress(Ok("1"));
  EXPECT_EQ(s[0].connection.process.pid, 42u);
  EXPECT_TRUE(s[0].connection.loopback);
}

// ---- mode

SessionTable::Options InMode(Mode mode) {
  SessionTable::Options options;
  options.mode = mode;
  return options;
}

TEST(SessionTable, ConnectionsOfTheOtherRoleAreNotCopied) {
  Story s(InMode(Mode::kIngress));
  s.As(Role::kOpened).Open().Egress(Get("/1")).Ingress(Ok("1")).Close();
  EXPECT_THAT(s.events(), IsEmpty());
  EXPECT_THAT(Wanted(s.table(), kIn), ElementsAre(Want::kNothing));
  EXPECT_THAT(Wanted(s.table(), kOut), ElementsAre(Want::kNothing));
}

TEST(SessionTable, AnUnknownRoleIsDecidedThenFiltered) {
  Story s(InMode(Mode::kEgress));
  s.As(Role::kUnknown).OpenLate().Ingress(Get("/1")).Egress(Ok("1")).Close();
  EXPECT_THAT(s.events(), IsEmpty());
  EXPECT_THAT(Wanted(s.table(), kIn), ElementsAre(Want::kNothing));
  EXPECT_EQ(s.Count(Counter::kEventsOtherRole), 1u);
  Story t(InMode(Mode::kEgress));
  t.As(Role::kUnknown).OpenLate().Egress(Get("/1")).Ingress(Ok("1")).Close();
  EXPECT_THAT(Briefs(t.events()), ElementsAre("GET /1 200"));
}

TEST(SessionTable, ARoleThatBecomesKnownIsFiltered) {
  Story s(InMode(Mode::kIngress));
  s.As(Role::kUnknown).OpenLate();
  Connection known = s.connection;
  known.role = Role::kOpened;
  s.Identify(known).Egress(Get("/1")).Ingress(Ok("1")).Close();
  EXPECT_THAT(s.events(), IsEmpty());
}

TEST(SessionTable, AModeThatIsWantedAgainComesBackAsJoinedLate) {
  Story s(InMode(Mode::kAll));
  s.Open().Ingress(Get("/1")).Egress(Ok("1")).Ingress(Get("/2"));
  s.table().table.SetMode(Mode::kEgress);
  EXPECT_EQ(s.Count(Counter::kEventsOtherRole), 1u);  // the one that was open
  s.Egress(Ok("2")).Ingress(Get("/3")).Egress(Ok("3"));
  EXPECT_EQ(s.events().size(), 1u);
  s.table().table.SetMode(Mode::kIngress);
  s.Skip(kIn, 100).Ingress(Get("/4")).Skip(kOut, 100).Egress(Ok("4")).Ingress(Get("/5")).Egress(Ok("5")).Close();
  EXPECT_THAT(Briefs(s.events()).back(), "GET /5 200");
  EXPECT_TRUE(s.events().back()->complete);
  EXPECT_TRUE(s[1].tags.Has(Tag::kJoinedLate));
  EXPECT_THAT(Wanted(s.table(), kIn), ElementsAre(Want::kNothing, Want::kEverything));
  EXPECT_EQ(s.table().budget.used(), 0u);
}

TEST(SessionTable, OffWantsNothing) {
  Story s(InMode(Mode::kOff));
  s.As(Role::kUnknown).Open().Ingress(Get("/1")).Egress(Ok("1")).Close();
  EXPECT_THAT(s.events(), IsEmpty());
  EXPECT_THAT(Wanted(s.table(), kIn), ElementsAre(Want::kNothing));
}

// ---- what the operator wants to see

TEST(SessionTable, ProbesAreLeftOutAndCounted) {
  SessionTable::Options options = Table::DefaultOptions();
  options.ignore_user_agents = {"kube-probe/"};
  Story s(std::move(options));
  s.Open().Ingress("GET /healthz HTTP/1.1\r\nuser-agent: kube-probe/1.29\r\n\r\n").Egress(Ok("ok"));
  s.Ingress("GET /1 HTTP/1.1\r\nUser-Agent: not kube-probe/1.29\r\n\r\n").Egress(Ok("1"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200"));
  EXPECT_EQ(s.Count(Counter::kEventsIgnoredUserAgent), 1u);
  EXPECT_EQ(s.Count(Counter::kEventsEmitted), 1u);
}

TEST(SessionTable, SecretsAreMaskedEverywhere) {
  SessionTable::Options options = Table::DefaultOptions();
  options.redact_headers = {"authorization", "set-cookie", "X-Sum"};
  Story s(std::move(options));
  s.Open().Ingress(
      "POST / HTTP/1.1\r\nAuthorization: Bearer abc\r\nAUTHORIZATION : x\r\nA: b\r\nTransfer-Encoding: chunked\r\n\r\n"
      "0\r\nx-sum: 1\r\n\r\n");
  s.Egress("HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b\r\nX: y\r\nContent-Length: 0\r\n\r\n");
  EXPECT_THAT(Fields(s[0].request.headers),
              ElementsAre("Authorization: ***", "AUTHORIZATION: ***", "A: b", "Transfer-Encoding: chunked"));
  EXPECT_THAT(Fields(s[0].request.trailers), ElementsAre("x-sum: ***"));
  EXPECT_THAT(Fields(s[0].response.headers),
              ElementsAre("Set-Cookie: ***", "Set-Cookie: ***", "X: y", "Content-Length: 0"));
}

TEST(SessionTable, BodiesAreRedactedByTheTypeThatWasSentAlsoWhereItIsMasked) {
  SessionTable::Options options = Table::DefaultOptions();
  options.redact_headers = {"content-type"};
  options.policy.bodies.redact_fields = {"password"};
  Story s(std::move(options));
  s.Open().Ingress(
      "POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 13\r\n\r\npassword=S3&a");
  s.Egress("HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].request.body, "password=***&a");
  EXPECT_THAT(Fields(s[0].request.headers), ::testing::Contains("Content-Type: ***"));
}

TEST(SessionTable, SecretsAreMaskedUnderBentNames) {
  SessionTable::Options options = Table::DefaultOptions();
  options.redact_headers = {"cookie"};
  Story s(std::move(options));
  s.Open().Ingress(
      "GET / HTTP/1.1\r\n\x0b"
      "Cookie: secret\r\nCook\0ie: secret\r\nCookie\r: secret\r\n\"Cookie\": secret\r\nCookies: 3\r\n\r\n"s);
  s.Egress("HTTP/1.1 200 OK\r\nCookie\x01: secret\r\nContent-Length: 0\r\n\r\n");
  ASSERT_EQ(s.events().size(), 1u);
  for (const HeaderList* fields : {&s[0].request.headers, &s[0].response.headers})
    for (const std::string& field : Fields(*fields)) EXPECT_EQ(field.find("secret"), std::string::npos) << field;
  EXPECT_THAT(Fields(s[0].request.headers), ::testing::Contains("Cookies: 3"));
}

TEST(SessionTable, ContainersAreAskedForOnce) {
  int asked = 0;
  SessionTable::Options options = Table::DefaultOptions();
  options.container_of = [&asked](uint64_t cgroup) {
    ++asked;
    return cgroup == 7 ? "abc" : "";
  };
  Story s(std::move(options));
  s.connection.cgroup_id = 7;
  s.Open();
  for (int i = 0; i < 5; ++i) s.Ingress(Get("/")).Egress(Ok(""));
  EXPECT_EQ(s[4].container_id, "abc");
  EXPECT_EQ(asked, 1);
}

TEST(SessionTable, AContainerThatIsNotKnownYetIsAskedForAgainLater) {
  int asked = 0;
  SessionTable::Options options = Table::DefaultOptions();
  options.container_of = [&asked](uint64_t) { return ++asked == 1 ? "" : "late"; };
  Story s(std::move(options));
  s.connection.cgroup_id = 7;
  s.Open().Ingress(Get("/")).Egress(Ok("")).Ingress(Get("/")).Egress(Ok(""));
  s.Wait(11).Ingress(Get("/")).Egress(Ok(""));
  EXPECT_EQ(s[1].container_id, "");
  EXPECT_EQ(s[2].container_id, "late");
}

TEST(SessionTable, ManyConnectionsDoNotMixUp) {
  Table table;
  std::vector<Story> stories;
  for (uint64_t i = 1; i <= 50; ++i) stories.emplace_back(table, i).Open();
  for (Story& s : stories) s.Ingress("GET /" + std::to_string(s.connection.id.value) + " HT");
  for (Story& s : stories) s.Ingress("TP/1.1\r\n\r\n");
  for (Story& s : stories) s.Egress(Ok(std::to_string(s.connection.id.value)));
  ASSERT_EQ(table.events.size(), 50u);
  for (const HttpEventPtr& e : table.events) {
    EXPECT_EQ("/" + e->response.body, e->target);
    EXPECT_EQ(std::to_string(e->connection.id.value), e->response.body);
  }
  for (Story& s : stories) s.Close();
  EXPECT_EQ(table.table.session_count(), 0u);
  EXPECT_EQ(table.budget.used(), 0u);
}

TEST(SessionTable, IdsAreUniqueAlsoWhenAConnectionIsForgottenAndComesBack) {
  Table table;
  Story s(table, 1);
  s.Open().Ingress(Get("/1")).Egress(Ok("1")).Close(CloseReason::kForgotten);
  for (int again = 0; again < 2; ++again)
    s.OpenLate().Ingress(Get("/2")).Egress(Ok("2")).Wait(2).Close(CloseReason::kForgotten);
  ASSERT_EQ(table.events.size(), 3u);
  std::set<std::string> ids;
  for (const HttpEventPtr& event : table.events) {
    std::string id;
    AppendEventId(*event, "run", id);
    EXPECT_TRUE(ids.insert(id).second) << id;
    EXPECT_TRUE(event->complete);
  }
}

}  // namespace
}  // namespace podtap
