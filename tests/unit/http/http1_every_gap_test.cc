// SPDX-License-Identifier: Apache-2.0
// A hole of every length at every position of a conversation, for every order in which three exchanges can overlap: no
// response is ever paired with another request, nothing wrong is called complete, nothing is told twice.
#include <map>
#include <set>

#include "tests/unit/http/story.h"

namespace podtap {
namespace {

struct Message {
  Direction direction;
  int exchange;
  std::string text;
};
using Conversation = std::vector<Message>;

constexpr Direction kClient = Direction::kIngress;
constexpr Direction kServer = Direction::kEgress;

struct Truth {
  std::string method, target, request_body, response_body;
  uint16_t status;
};

// Exchanges 1 to 5; the answer's field I and its body name the exchange.
Truth TruthOf(int i) {
  const std::string n = std::to_string(i);
  switch (i) {
    case 1:
      return {"POST", "/1", "b\r\n1", "<1>\r\n", 200};
    case 2:
      return {"GET", "/2", "", "", 204};
    case 3:
      return {"PUT", "/3", "three", "<3>HTTP/1.1", 201};
    default:
      return {"GET", "/" + n, "", "<" + n + ">", 200};
  }
}

std::string RequestOf(int i) {
  const Truth t = TruthOf(i);
  std::string text = t.method + " " + t.target + " HTTP/1.1\r\n";
  if (i == 3) return text + "Transfer-Encoding: chunked\r\n\r\n5\r\n" + t.request_body + "\r\n0\r\n\r\n";
  if (!t.request_body.empty()) text += "Content-Length: " + std::to_string(t.request_body.size()) + "\r\n";
  return text + "\r\n" + t.request_body;
}

std::string ResponseOf(int i) {
  const Truth t = TruthOf(i);
  std::string text = "HTTP/1.1 " + std::to_string(t.status) + " OK\r\nI: " + std::to_string(i) + "\r\n";
  if (t.status == 204) return text + "\r\n";
  if (i == 3) return text + "Transfer-Encoding: chunked\r\n\r\n4\r\n<3>H\r\n7\r\nTTP/1.1\r\n0\r\n\r\n";
  return text + "Content-Length: " + std::to_string(t.response_body.size()) + "\r\n\r\n" + t.response_body;
}

// All orders of R1 R2 R3 A1 A2 A3 in which each answer comes after its request.
std::vector<std::string> Orders() { return {"RRRAAA", "RRARAA", "RRAARA", "RARRAA", "RARARA"}; }

Conversation Make(const std::string& order) {
  Conversation all;
  int requests = 0;
  int responses = 0;
  for (const char c : order) {
    if (c == 'R') {
      ++requests;
      all.push_back({kClient, requests, RequestOf(requests)});
    } else {
      ++responses;
      all.push_back({kServer, responses, ResponseOf(responses)});
    }
  }
  return all;
}

struct Hole {
  Direction direction;
  size_t begin, end;  // positions in the direction's stream
  GapReason reason = GapReason::kLost;
};

// Every message is its own event, and the hole's parts are gaps at the time of the message they hit.
void Tell(Story& s, const Conversation& conversation, const Hole& hole) {
  size_t position[2] = {0, 0};
  for (const Message& message : conversation) {
    size_t& at = position[IndexOf(message.direction)];
    const std::string_view text = message.text;
    const size_t begin = at;
    at += text.size();
    const size_t lost_from = std::clamp(hole.begin, begin, at) - begin;
    const size_t lost_to = std::clamp(hole.end, begin, at) - begin;
    if (message.direction != hole.direction || lost_from == lost_to) {
      s.Send(message.direction, text);
      continue;
    }
    if (lost_from != 0) s.Send(message.direction, text.substr(0, lost_from));
    s.Lose(message.direction, lost_to - lost_from, hole.reason);
    if (lost_to != text.size()) s.Send(message.direction, text.substr(lost_to));
  }
}

// Which exchange an answer belongs to, as it says itself; 0 if it was lost.
int AnswerOf(const HttpEvent& e) {
  const std::string_view id = e.response.headers.Get("I");
  return id.size() == 1 ? id[0] - '0' : 0;
}

void CheckRequest(const HttpEvent& e, const std::string& what) {
  ASSERT_TRUE(e.target.size() == 2 && e.target[0] == '/' && e.target[1] >= '1' && e.target[1] <= '5')
      << what << e.target;
  const Truth t = TruthOf(e.target[1] - '0');
  if (e.tags.Has(Tag::kHeadIncomplete)) {
    EXPECT_FALSE(e.complete) << what;
    EXPECT_TRUE(t.method.ends_with(e.method)) << what << e.method;
  } else {
    EXPECT_EQ(e.method, t.method) << what;
  }
  EXPECT_TRUE(t.request_body.starts_with(e.request.body)) << what << e.request.body;
}

void Check(Story& s, const std::string& what) {
  std::set<std::string> requests;
  std::set<int> responses;
  for (const HttpEventPtr& event : s.events()) {
    const HttpEvent& e = *event;
    ASSERT_TRUE(e.request.seen || e.response.seen) << what;
    if (e.request.seen) {
      CheckRequest(e, what);
      EXPECT_TRUE(requests.insert(e.target).second) << what << e.target << " twice";
    }
    const int answer = e.response.seen ? AnswerOf(e) : 0;
    if (answer != 0) {
      const Truth t = TruthOf(answer);
      EXPECT_TRUE(responses.insert(answer).second) << what << "answer " << answer << " twice";
      EXPECT_EQ(e.status, t.status) << what;
      EXPECT_TRUE(t.response_body.starts_with(e.response.body)) << what << e.response.body;
      if (e.request.seen) {
        EXPECT_EQ(e.target, "/" + std::to_string(answer)) << what;
      }
    }
    if (!e.complete) continue;
    ASSERT_TRUE(e.request.seen && answer != 0) << what;
    const Truth t = TruthOf(answer);
    EXPECT_EQ(e.method, t.method) << what;
    EXPECT_EQ(e.request.body, t.request_body) << what;
    EXPECT_EQ(e.response.body, t.response_body) << what;
    EXPECT_EQ(e.response.body_bytes, t.response_body.size()) << what;
  }
}

// Every start line that is wholly outside the hole is told.
void CheckAllTold(const Story& s, const Conversation& conversation, const Hole& hole, const std::string& what) {
  std::set<std::string> requests;
  std::set<int> responses;
  for (const HttpEventPtr& e : s.events()) {
    if (e->request.seen) requests.insert(e->target);
    if (e->response.seen) responses.insert(AnswerOf(*e));
  }
  size_t position = 0;
  for (const Message& message : conversation) {
    if (message.direction != hole.direction) continue;
    // Of a response the field that names it is needed, too.
    const size_t needed = message.direction == kClient ? message.text.find('\n') + 1 : message.text.find("I: ") + 6;
    if (hole.end <= position || hole.begin >= position + needed) {
      const std::string n = std::to_string(message.exchange);
      EXPECT_TRUE(message.direction == kClient ? requests.contains("/" + n) : responses.contains(message.exchange))
          << what << n << " is missing";
    }
    position += message.text.size();
  }
}

size_t CompleteCount(const Story& s) {
  size_t n = 0;
  for (const HttpEventPtr& event : s.events()) n += event->complete ? 1 : 0;
  return n;
}

void ForEachHole(const Conversation& conversation, Direction direction, auto f) {
  size_t size = 0;
  for (const Message& message : conversation)
    if (message.direction == direction) size += message.text.size();
  for (size_t begin = 0; begin < size; ++begin)
    for (size_t end = begin + 1; end <= size; ++end) f(Hole{direction, begin, end});
}

class EveryGap : public ::testing::TestWithParam<std::tuple<std::string, Direction>> {};

TEST_P(EveryGap, NeverPairsWronglyAndNeverCallsWrongThingsComplete) {
  const auto& [order, direction] = GetParam();
  const Conversation conversation = Make(order);
  ForEachHole(conversation, direction, [&](const Hole& hole) {
    Story s;
    s.Open();
    Tell(s, conversation, hole);
    s.Close();
    const std::string what = order + " hole " + std::to_string(hole.begin) + ".." + std::to_string(hole.end) + ": ";
    Check(s, what);
    CheckAllTold(s, conversation, hole, what);
    EXPECT_LE(CompleteCount(s), 2u) << what << "something is missing";
    EXPECT_EQ(s.table().budget.used(), 0u) << what;
  });
}

INSTANTIATE_TEST_SUITE_P(Orders, EveryGap,
                         ::testing::Combine(::testing::ValuesIn(Orders()), ::testing::Values(kClient, kServer)));

// A client that waits for each answer: what follows the hole by a turn is whole again.
TEST(Gaps, SequentialExchangesAreFoundAgainAtTheNextTurn) {
  for (const Direction direction : {kClient, kServer}) {
    const Conversation conversation = Make("RARARA");
    ForEachHole(conversation, direction, [&](const Hole& hole) {
      Story s;
      s.Open();
      Tell(s, conversation, hole);
      for (const int i : {4, 5}) s.Ingress(RequestOf(i)).Egress(ResponseOf(i));
      s.Close();
      const std::string what = "hole " + std::to_string(hole.begin) + ".." + std::to_string(hole.end) + ": ";
      Check(s, what);
      CheckAllTold(s, conversation, hole, what);
      std::set<std::string> complete;
      size_t position = 0;
      for (const HttpEventPtr& e : s.events())
        if (e->complete) complete.insert(e->target);
      // Exchanges that the hole does not touch.
      for (int i = 1; i <= 3; ++i) {
        const size_t begin = position;
        position += (direction == kClient ? RequestOf(i) : ResponseOf(i)).size();
        const bool touched = hole.begin < position && hole.end > begin;
        EXPECT_EQ(complete.contains("/" + std::to_string(i)), !touched) << what << i;
      }
      EXPECT_TRUE(complete.contains("/4")) << what;
      EXPECT_TRUE(complete.contains("/5")) << what;
    });
  }
}

// Joined at every point: what is told is true. One order is left out: a client that always keeps one request in flight
// looks, to whoever comes late, exactly like one that waits for its answers. That is what the tag joined_late is for.
TEST(Gaps, JoiningAnywhereTellsNothingWrong) {
  for (const std::string& order : Orders()) {
    if (order == "RRARAA") continue;
    Conversation conversation = Make(order);
    size_t total = 0;
    for (const Message& message : conversation) total += message.text.size();
    for (size_t joined = 1; joined < total; ++joined) {
      Story s;
      s.As(Role::kUnknown).OpenLate();
      size_t seen = 0;
      for (const Message& message : conversation) {
        const std::string_view text = message.text;
        const size_t skip = std::min(text.size(), joined - std::min(joined, seen));
        seen += text.size();
        if (skip < text.size()) s.Send(message.direction, text.substr(skip));
      }
      for (const int i : {4, 5}) s.Ingress(RequestOf(i)).Egress(ResponseOf(i));
      s.Close();
      const std::string what = order + " joined at " + std::to_string(joined) + ": ";
      Check(s, what);
      for (const HttpEventPtr& e : s.events()) EXPECT_TRUE(e->tags.Has(Tag::kJoinedLate)) << what;
      if (order != "RARARA") continue;
      ASSERT_FALSE(s.events().empty()) << what;
      EXPECT_EQ(Brief(*s.events().back()), "GET /5 200") << what;
      EXPECT_TRUE(s.events().back()->complete) << what;
    }
  }
}

}  // namespace
}  // namespace podtap
