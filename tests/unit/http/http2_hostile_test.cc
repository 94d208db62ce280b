// SPDX-License-Identifier: Apache-2.0
// HTTP/2 of peers that do not keep to the rules: what both ends would ignore costs nothing, what is an error forges
// nothing, and whatever is sent, memory stays bounded.
#include <gmock/gmock.h>

#include "tests/unit/http/http2_story.h"

namespace podtap {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::string_literals;

struct Http2Story : Story {
  Http2Story() { Open().Ingress(Preface()).Egress(Settings()); }
  void ExpectAllIsWell() {
    Ingress(client.Get(9, "/well")).Egress(server.Ok(9, "ok"));
    ASSERT_FALSE(events().empty());
    EXPECT_EQ(Brief(*events().back()), "GET /well 200");
    EXPECT_TRUE(events().back()->complete);
    EXPECT_EQ(events().back()->authority, "shop:80");
  }
  Http2Peer client, server;
};

TEST(Http2Hostile, FramesThatEndpointsIgnoreDoNotLoseTheOthers) {
  for (const std::string& frame :
       {Frame(Http2Frame::kPriority, 0, 3, "123456"), Frame(Http2Frame::kPriority, 0, 3, ""),
        Frame(Http2Frame::kAltSvc, 0, 0, ""), Frame(Http2Frame::kOrigin, 0, 5, "x"),
        Frame(Http2Frame::kPriorityUpdate, 0, 7, "y"), Frame(static_cast<Http2Frame>(0xff), 0xff, 0x7fffffff, "z")}) {
    Http2Story s;
    s.Ingress(frame).Egress(frame);
    s.ExpectAllIsWell();
    EXPECT_EQ(s.Count(Counter::kHttp2Refound), 0u)
        << static_cast<int>(frame[3]) << ", " << frame.size() - 9 << " bytes";
  }
}

TEST(Http2Hostile, SettingsOfAnyNumber) {
  Http2Story s;
  std::string settings;
  for (int i = 0; i < 2700; ++i) settings += "\xfa\xfa\0\0\0\1"s;
  s.Egress(Frame(Http2Frame::kSettings, 0, 0, settings)).Ingress(Frame(Http2Frame::kSettings, kHttp2Ack, 0, ""));
  const size_t before = s.table().budget.used();
  for (int i = 0; i < 20000; ++i)
    s.Ingress(Settings() + Frame(Http2Frame::kSettings, 0, 0, "") + Frame(Http2Frame::kPing, 0, 0, "12345678"));
  EXPECT_EQ(s.table().budget.used(), before);
  s.ExpectAllIsWell();
  EXPECT_EQ(s.Count(Counter::kHttp2Refound), 0u);
}

TEST(Http2Hostile, WhatComesAfterTheEndOfAMessageIsNoPartOfIt) {
  Http2Story s;
  s.Ingress(Join({s.client.Request(1, "POST", "/1", false), Data(1, "body"), Data(1, "more"),
                  s.client.Headers(1, {{"x-late", "1"}}, true)}));
  s.Egress(s.server.Ok(1, "ok"));
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(s[0].request.body, "body");
  EXPECT_EQ(s[0].request.body_bytes, 4u);
  EXPECT_TRUE(s[0].request.trailers.empty());
  EXPECT_TRUE(s[0].complete);
  // The other way round: the response is over while the request is not.
  s.Ingress(s.client.Request(3, "POST", "/3", false));
  s.Egress(Join({s.server.Ok(3, "ok"), Data(3, "more"), s.server.Response(3, "500", true)}));
  s.Ingress(Data(3, ""));
  ASSERT_EQ(s.events().size(), 2u);
  EXPECT_EQ(Brief(s[1]), "POST /3 200");
  EXPECT_EQ(s[1].response.body, "ok");
  s.ExpectAllIsWell();
}

TEST(Http2Hostile, AClientPromisesNothing) {
  Http2Story s;
  s.Ingress(s.client.Get(1, "/1"));
  s.Ingress(Frame(Http2Frame::kPushPromise, kHttp2EndHeaders, 1,
                  Big32(2) + s.client.Block({{":method", "GET"}, {":scheme", "http"}, {":path", "/forged"}})));
  s.Egress(s.server.Ok(1, "1")).Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200"));
  EXPECT_EQ(s.Count(Counter::kRequestErrors), 1u);
}

TEST(Http2Hostile, PaddingOfAnySize) {
  Http2Story s;
  const std::string block = s.client.Block({{":method", "PUT"}, {":scheme", "http"}, {":path", "/p"}});
  s.Ingress(Frame(Http2Frame::kHeaders, kHttp2EndHeaders | kHttp2Padded, 1, "\xff" + block + std::string(255, '\0')));
  s.Ingress(Frame(Http2Frame::kData, kHttp2Padded, 1, "\xff" + std::string(255, '\0')));
  s.Ingress(Frame(Http2Frame::kData, kHttp2Padded, 1, "\xffno room for it"));
  s.Ingress(Frame(Http2Frame::kData, kHttp2Padded, 1, ""));
  s.Ingress(Data(1, "x"));
  s.Egress(s.server.Ok(1, "1"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("PUT /p 200"));
  EXPECT_EQ(s[0].request.body, "x");
  s.ExpectAllIsWell();
}

TEST(Http2Hostile, FloodsOfEmptyFramesCostNoMemory) {
  Http2Story s;
  s.Ingress(s.client.Request(1, "POST", "/1", false));
  const size_t before = s.table().budget.used();
  for (int i = 0; i < 50000; ++i) s.Ingress(Data(1, "", false) + WindowUpdate(1) + Reset(101, 8));
  EXPECT_EQ(s.table().budget.used(), before);
  s.Ingress(Data(1, "")).Egress(s.server.Ok(1, "1"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("POST /1 200"));
  s.ExpectAllIsWell();
}

TEST(Http2Hostile, FramesThatWereNoneDoNotHideLaterRequests) {
  Http2Story s;
  // A loss, and then the rest of a body that looks like frames of a stream far away.
  Http2Peer forged;
  s.LoseIngress(1000);
  s.Ingress(Join({forged.Get(0x7ffffff1, "/forged"), WindowUpdate(0), WindowUpdate(0)}));
  s.Ingress("and then it does not\xff\xff\xff\xff\xff\xff\xff\xff");
  for (const uint32_t id : {11u, 13u, 15u}) s.Ingress(s.client.Get(id, "/" + std::to_string(id)));
  for (const uint32_t id : {11u, 13u, 15u}) s.Egress(s.server.Ok(id, std::to_string(id)));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /11 200", "GET /13 200", "GET /15 200"));
}

TEST(Http2Hostile, AnInterimResponseWhoseStatusIsUnknownIsNotTheResponse) {
  Story s;
  Http2Peer client, server;
  server.Response(1, "103", false, {{"link", "a"}});
  s.OpenLate();
  s.Ingress(Join({client.Get(3, "/3"), WindowUpdate(0), WindowUpdate(0)}));
  s.Egress(Join({server.Response(3, "103", false, {{"link", "a"}}), server.Ok(3, "3"), WindowUpdate(0)}));
  ASSERT_EQ(s.events().size(), 1u);
  EXPECT_EQ(Brief(s[0]), "GET /3 200");
  EXPECT_TRUE(s[0].tags.Has(Tag::kHeadersUnknown));
  EXPECT_FALSE(s[0].tags.Has(Tag::kMalformed));
}

TEST(Http2Hostile, TablesOfIdleConnectionsAreLetGoWhenMemoryIsShort) {
  Table table(Table::DefaultOptions(), 2 << 20);
  std::vector<std::unique_ptr<Story>> stories;
  std::vector<std::unique_ptr<Http2Peer>> clients;
  FieldList many;
  for (int i = 0; i < 80; ++i) many.emplace_back("n" + std::to_string(i), "");
  for (uint64_t i = 1; i <= 300; ++i) {
    Http2Peer server;
    clients.push_back(std::make_unique<Http2Peer>());
    stories.push_back(std::make_unique<Story>(table, i));
    stories.back()->Open().Ingress(Preface()).Egress(Settings());
    stories.back()->Ingress(clients.back()->Request(1, "GET", "/1", true, many)).Egress(server.Ok(1, "1"));
    table.table.RelieveMemory();
    ASSERT_FALSE(table.budget.over()) << i << " connections, " << table.budget.used();
  }
  EXPECT_EQ(table.events.size(), 300u);
  for (const HttpEventPtr& e : table.events) ASSERT_TRUE(e->complete);
  EXPECT_GT(table.Count(Counter::kHpackLost), 10u);
  // What such a connection says next is right, or tagged.
  for (uint64_t i = 0; i < 300; ++i) {
    Http2Peer server;
    stories[i]->Ingress(clients[i]->Request(3, "GET", "/3", true, many)).Egress(server.Ok(3, "3"));
  }
  ASSERT_EQ(table.events.size(), 600u);
  for (size_t i = 300; i < 600; ++i) {
    const HttpEvent& e = *table.events[i];
    EXPECT_EQ(Brief(e), "GET /3 200");
    EXPECT_EQ(e.request.headers.size() + e.request.unknown_fields + (e.authority.empty() ? 0 : 1), 81u);
    EXPECT_EQ(e.complete, e.request.unknown_fields == 0);
  }
  for (auto& story : stories) story->Close();
  EXPECT_EQ(table.budget.used(), 0u);
}

}  // namespace
}  // namespace podtap
