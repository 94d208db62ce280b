// SPDX-License-Identifier: Apache-2.0
// Requests that two readers may understand differently: podtap follows RFC 9112 and says that others may not.
#include "tests/unit/http/story.h"

namespace podtap {
namespace {

using ::testing::ElementsAre;

const std::string kBad = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

TEST(Smuggling, LengthAgainstChunked) {
  Story s;  // CL.TE: chunked wins, the rest is a request of its own
  s.Open().Ingress("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG");
  s.Ingress("ET /admin HTTP/1.1\r\nHost: a\r\n\r\n").Egress(Ok("1") + Ok("2"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("POST / 200", "GET /admin 200"));
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("ambiguous_length"));
  EXPECT_EQ(s[0].request.body_bytes, 0u);
}

TEST(Smuggling, ChunkedAgainstLength) {
  Story s;  // TE.CL
  s.Open().Ingress(
      "POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
      "1d\r\nGET /admin HTTP/1.1\r\nA: bcd\r\n\r\n0\r\n\r\n");
  s.Egress(Ok("1"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("POST / 200"));
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("ambiguous_length"));
  EXPECT_EQ(s[0].request.body_bytes, 29u);
}

TEST(Smuggling, HiddenTransferEncoding) {
  for (const char* field :
       {"Transfer-Encoding : chunked", "Transfer-Encoding:\r\n chunked", "Transfer-Encoding\t: chunked"}) {
    Story s;
    s.Open()
        .Ingress("POST / HTTP/1.1\r\nContent-Length: 5\r\n" + std::string(field) + "\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        .Egress(kBad);
    ASSERT_EQ(s.events().size(), 1u) << field;
    EXPECT_EQ(s[0].request.body, "abc") << field;
    EXPECT_THAT(TagTexts(s[0]), ElementsAre("malformed", "ambiguous_length")) << field;
  }
}

TEST(Smuggling, SeveralLengths) {
  Story s;
  s.Open()
      .Ingress("POST /1 HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nabc" + Get("/2"))
      .Egress(kBad + Ok("2"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("POST /1 400", "GET /2 200"));
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("ambiguous_length"));
  EXPECT_TRUE(s[1].tags.empty());
}

TEST(Smuggling, LengthsThatAreNone) {
  Story s;
  s.Open().Ingress("POST /1 HTTP/1.1\r\nContent-Length: +3\r\n\r\n").Egress(kBad).Ingress(Get("/2")).Egress(Ok("2"));
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("malformed", "ambiguous_length"));
  EXPECT_EQ(Brief(s[1]), "GET /2 200");
}

TEST(Smuggling, ChunkSizeOverflow) {
  Story s;
  s.Open()
      .Ingress("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000003\r\nabc" + Get("/x"))
      .Egress(kBad)
      .Close();
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /x -", "POST / 400"));
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("head_incomplete", "unpaired"));  // what it is, nobody can say
  EXPECT_THAT(TagTexts(s[1]), ElementsAre("malformed"));
  EXPECT_FALSE(s[0].complete || s[1].complete);
  EXPECT_EQ(s.Count(Counter::kRequestErrors), 1u);
}

TEST(Smuggling, BareLineFeedsInChunks) {
  Story s;
  s.Open()
      .Ingress("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n" + Get("/2"))
      .Egress(Ok("1") + Ok("2"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("POST / 200", "GET /2 200"));
  EXPECT_EQ(s[0].request.body, "abc");
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("malformed"));
}

TEST(Smuggling, BareLineFeedsInHeads) {
  Story s;
  s.Open()
      .Ingress("POST / HTTP/1.1\nContent-Length: 3\n\nabc" + Get("/2"))
      .Egress("HTTP/1.1 200\nContent-Length: 1\n\nx" + Ok("2"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("POST / 200", "GET /2 200"));
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("malformed"));
}

TEST(Smuggling, AResponseSplitInTwo) {
  Story s;  // the second one answers nothing
  s.Open().Ingress(Get("/1")).Egress(Ok("1") + Ok("evil")).Ingress(Get("/2")).Egress(Ok("2"));
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "- 200", "GET /2 200"));
  EXPECT_THAT(TagTexts(s[1]), ElementsAre("unrequested"));
  EXPECT_EQ(s[2].response.body, "2");
}

TEST(Smuggling, CodingsInHttp10) {
  Story s;
  s.Open().Ingress("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n").Egress(Ok(""));
  EXPECT_THAT(TagTexts(s[0]), ElementsAre("ambiguous_length"));
}

TEST(Smuggling, GarbageBetweenRequests) {
  Story s;
  s.Open().Ingress(Get("/1")).Egress(Ok("1")).Ingress("\x01\x02garbage\r\n\r\n").Egress(kBad);
  s.Ingress(Get("/2")).Egress(Ok("2")).Close();
  EXPECT_EQ(s.Count(Counter::kRequestErrors), 1u);
  EXPECT_THAT(Briefs(s.events()), ElementsAre("GET /1 200", "- 400", "GET /2 200"));
  EXPECT_THAT(TagTexts(s[1]), ElementsAre("unrequested", "unpaired"));
}

}  // namespace
}  // namespace podtap
