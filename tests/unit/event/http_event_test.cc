// SPDX-License-Identifier: Apache-2.0
#include "sidecar/event/http_event.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "sidecar/event/new_event.h"

namespace podtap {
namespace {

TEST(HttpEvent, TheClientIsTheRemoteEndOfAnAcceptedConnection) {
  HttpEvent event;
  event.connection.local = Endpoint::V4(10, 0, 0, 1, 80);
  event.connection.remote = Endpoint::V4(10, 0, 0, 7, 51234);
  event.connection.role = Role::kAccepted;
  EXPECT_EQ(event.client().Text(), "10.0.0.7:51234");
  EXPECT_EQ(event.server().Text(), "10.0.0.1:80");
  event.connection.role = Role::kOpened;
  EXPECT_EQ(event.client().Text(), "10.0.0.1:80");
  EXPECT_EQ(event.server().Text(), "10.0.0.7:51234");
}

TEST(HttpEvent, LastsFromTheFirstByteOfTheRequestToTheLastByteOfEither) {
  HttpEvent event;
  event.wall = WallTime{1'000'000};
  event.request.start = Timestamp{100};
  event.request.end = Timestamp{900};
  event.response.start = Timestamp{300};
  event.response.end = Timestamp{400};
  EXPECT_EQ(event.at().ns, 100u);
  EXPECT_EQ(event.duration_ns(), 800u);  // the request was still being sent
  EXPECT_EQ(event.WallAt(event.response.start).ns, 1'000'200);
}

TEST(HttpEvent, AResponseWithoutRequestBeginsWithItself) {
  HttpEvent event;
  event.response.start = Timestamp{300};
  event.response.end = Timestamp{450};
  EXPECT_EQ(event.at().ns, 300u);
  EXPECT_EQ(event.duration_ns(), 150u);
}

TEST(HttpEvent, ItsIdNamesRunConnectionAndExchange) {
  HttpEvent event;
  event.connection.id = ConnectionId{0x1f};
  event.exchange = 12;
  std::string out = "id=";
  AppendEventId(event, "5f3c", out);
  EXPECT_EQ(out, "id=5f3c-1f-12");
  event.joined_as = 3;
  out.clear();
  AppendEventId(event, "5f3c", out);
  EXPECT_EQ(out, "5f3c-1f.3-12");
}

TEST(NewHttpEvent, HasTheBuffersOfOneBeforeButNoLargeOnes) {
  const HttpEvent* before = nullptr;
  {
    const std::shared_ptr<HttpEvent> event = NewHttpEvent();
    before = event.get();
    for (HttpMessage* message : {&event->request, &event->response}) {
      message->body = std::string(100000, 'b');
      message->headers.Add("n", std::string(100000, 'h'));
      message->trailers.Add("n", std::string(100000, 't'));
    }
    for (std::string* text : {&event->method, &event->target, &event->scheme, &event->authority, &event->protocol})
      *text = std::string(100000, 'x');
    event->reason = event->container_id = std::string(200, 'y');
  }
  const std::shared_ptr<HttpEvent> event = NewHttpEvent();
  ASSERT_EQ(event.get(), before);
  EXPECT_GE(event->container_id.capacity(), 200u);
  for (const HttpMessage* message : {&event->request, &event->response}) {
    EXPECT_LE(message->body.capacity(), 1024u);
    EXPECT_LE(message->headers.memory() + message->trailers.memory(), 4096u);
  }
  for (const std::string* text : {&event->method, &event->target, &event->scheme, &event->authority, &event->protocol})
    EXPECT_LE(text->capacity(), 512u);
}

TEST(Tags, EachHasItsOwnTextAndAMeaning) {
  std::set<std::string_view> texts;
  for (unsigned i = 0; i < static_cast<unsigned>(Tag::kCount); ++i) {
    const auto tag = static_cast<Tag>(i);
    EXPECT_TRUE(texts.insert(TextOf(tag)).second) << TextOf(tag);
    EXPECT_EQ(TextOf(tag).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), std::string_view::npos);
    EXPECT_TRUE(MeaningOf(tag).ends_with('.')) << TextOf(tag);
  }
  EXPECT_EQ(TextOf(Tag::kTruncated), "truncated");
  EXPECT_EQ(TextOf(Tag::kHttp09), "http09");
}

TEST(Tags, ASetIsWalkedInTheOrderOfTheList) {
  TagSet set;
  EXPECT_TRUE(set.empty());
  set.Add(Tag::kReset);
  TagSet more;
  more.Add(Tag::kTruncated);
  set.Merge(more);
  std::string seen;
  set.ForEach([&](Tag tag) { seen.append(TextOf(tag)) += ' '; });
  EXPECT_EQ(seen, "truncated reset ");
  EXPECT_TRUE(set.Has(Tag::kReset));
  EXPECT_FALSE(set.Has(Tag::kLost));
}

}  // namespace
}  // namespace podtap
