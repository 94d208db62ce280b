// SPDX-License-Identifier: Apache-2.0
// However the bytes are cut into events, the exchanges are the same.
#include "tests/unit/http/story.h"

namespace podtap {
namespace {

struct Part {
  Direction direction;
  std::string text;
};
using Conversation = std::vector<Part>;

constexpr Direction kIn = Direction::kIngress;
constexpr Direction kOut = Direction::kEgress;

// Everything of an event but its times.
std::string Describe(const HttpEvent& e) {
  std::string text = Brief(e) + "|" + e.version + "|" + e.response_version + "|" + e.reason + "|" +
                     (e.complete ? "complete" : "incomplete") + "|" + std::to_string(e.exchange);
  for (const HttpMessage* m : {&e.request, &e.response}) {
    text += "|" + ::testing::PrintToString(Fields(m->headers)) + ::testing::PrintToString(Fields(m->trailers)) +
            m->body + "|" + std::to_string(m->header_bytes) + "," + std::to_string(m->body_bytes) + "," +
            std::to_string(m->missing_bytes) + (m->finished ? "f" : "u");
  }
  text += ::testing::PrintToString(TagTexts(e)) + ::testing::PrintToString(e.informational);
  return text;
}

std::vector<std::string> DescribeAll(Story& s) {
  s.Close();
  std::vector<std::string> all;
  for (const HttpEventPtr& event : s.events()) all.push_back(Describe(*event));
  EXPECT_EQ(s.table().budget.used(), 0u);
  return all;
}

std::vector<Conversation> Conversations() {
  std::vector<Conversation> all;
  all.push_back({{kIn, Get("/1")}, {kOut, Ok("hello")}, {kIn, Post("/2", "body")}, {kOut, Ok("")}});
  all.push_back({{kIn, Get("/1") + Post("/2", "xyz") + Get("/3")}, {kOut, Ok("a") + Ok("bb") + Ok("ccc")}});
  all.push_back(
      {{kIn,
        "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;e=1\r\nabc\r\n0A\r\n0123456789\r\n0\r\nT: 1\r\n\r\n"},
       {kOut, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n"},
       {kIn, "\r\nHEAD /h HTTP/1.1\r\nA: b\r\n\r\n"},
       {kOut, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"}});
  all.push_back(
      {{kIn, "GET / HTTP/1.0\r\n\r\n"}, {kOut, "HTTP/1.0 200 OK\r\nA: b\r\n\r\nuntil the end\r\n\r\nHTTP/1.1 x"}});
  // Bent in many ways.
  all.push_back({{kIn, "GET  /1 HTTP/1.1\nHost : a\n x: folded\n\n"},
                 {kOut, "HTTP/1.1 200\nContent-Length: 2, 2\nA\n\nok"},
                 {kIn, "POST /2 HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\n0\n\n"},
                 {kOut, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nz"}});
  all.push_back({{kIn, "GET /1 HTTP/1.1\r\r\nA: b\r\r\n\r\n" + Get("/2")}, {kOut, "HTTP/1.1 200 OK\r\r\n\r\n"}});
  // Garbage in both directions, then a turn that begins with an empty line.
  all.push_back(
      {{kIn, Get("/1") + "SM\r\nHTP/1] x"}, {kOut, "Con\r"}, {kIn, "\nHT /1 HTTP/1"}, {kIn, "\r\nA: b\r\n\r\n"}});
  all.push_back({{kIn, "GET /old\r\n"}, {kOut, "HT no head\r\n\r\n"}});
  all.push_back({{kIn, "GET /ws HTTP/1.1\r\nUpgrade: x\r\n\r\n"},
                 {kOut, "HTTP/1.1 101 Sw\r\n\r\n\x81\x01Z"},
                 {kIn, "\x81\x01Y"}});
  all.push_back({{kIn, "CONNECT h:80 HTTP/1.1\r\n\r\n" + Get("/in")}, {kOut, "HTTP/1.1 200 OK\r\n\r\n" + Ok("t")}});
  all.push_back({{kIn, "POST /broken HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n\r\n"},
                 {kOut, "HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n"}});
  return all;
}

TEST(Http1Pieces, CutAtEveryByteNothingChanges) {
  for (const Conversation& conversation : Conversations()) {
    Story whole;
    whole.Open();
    for (const Part& part : conversation) whole.Send(part.direction, part.text);
    const auto expected = DescribeAll(whole);
    for (size_t part = 0; part < conversation.size(); ++part) {
      for (size_t cut = 1; cut < conversation[part].text.size(); ++cut) {
        Story s;
        s.Open();
        for (size_t i = 0; i < conversation.size(); ++i) {
          const std::string_view text = conversation[i].text;
          if (i == part) {
            s.Send(conversation[i].direction, text.substr(0, cut)).Send(conversation[i].direction, text.substr(cut));
          } else {
            s.Send(conversation[i].direction, text);
          }
        }
        ASSERT_EQ(DescribeAll(s), expected) << "part " << part << " cut at " << cut;
      }
    }
  }
}

TEST(Http1Pieces, OneByteAtATimeNothingChanges) {
  for (const Conversation& conversation : Conversations()) {
    Story whole;
    whole.Open();
    for (const Part& part : conversation) whole.Send(part.direction, part.text);
    Story slow;
    slow.Open();
    for (const Part& part : conversation) slow.Slowly(part.direction, part.text);
    EXPECT_EQ(DescribeAll(slow), DescribeAll(whole));
  }
}

}  // namespace
}  // namespace podtap
