// SPDX-License-Identifier: Apache-2.0
// Two endpoints of nghttp2 talk about anything HTTP/2 can say, and what podtap makes of their bytes is compared with
// what the endpoints said: all of it exactly where everything was seen, and nothing wrong where the beginning or pieces
// of the conversation were not.
#include <gmock/gmock.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>
#include <set>

#include "tests/unit/http/http2_story.h"

namespace podtap {
namespace {

struct Random {
  std::mt19937 engine;
  size_t Below(size_t n) { return std::uniform_int_distribution<size_t>(0, n - 1)(engine); }
  bool OneIn(size_t n) { return Below(n) == 0; }
};

// What was said on one stream.
struct Truth {
  std::string method, path, authority, status;
  FieldList fields[2], trailers[2];  // by MessageKind
  std::string body[2];
  std::vector<uint16_t> informational;
  bool reset = false;
  bool pushed = false;
};

// What is still to be sent of a body, and the fields that follow it.
struct Outgoing {
  std::string body;
  size_t sent = 0;
  FieldList trailers;
};

class Conversation;

class Endpoint {
 public:
  Endpoint(Conversation& conversation, bool server, Random& random);
  ~Endpoint() { nghttp2_session_del(session_); }
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  // The next bytes for the peer; empty if there is nothing to say.
  std::string Speak() {
    const uint8_t* data = nullptr;
    const ssize_t n = nghttp2_session_mem_send(session_, &data);
    EXPECT_GE(n, 0);
    return n <= 0 ? std::string() : std::string(reinterpret_cast<const char*>(data), static_cast<size_t>(n));
  }
  void Hear(std::string_view bytes) {
    const ssize_t n = nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    ASSERT_EQ(n, static_cast<ssize_t>(bytes.size())) << nghttp2_strerror(static_cast<int>(n));
  }
  int32_t Ask(Truth truth);
  void Answer(int32_t id);
  void Resize();

  nghttp2_session* session() { return session_; }
  std::map<int32_t, Outgoing> outgoing;

 private:
  FieldList SomeFields();

  Conversation& conversation_;
  Random& random_;
  nghttp2_session* session_ = nullptr;
};

class Conversation {
 public:
  explicit Conversation(unsigned seed)
      : random{std::mt19937(seed)}, client(*this, false, random), server(*this, true, random) {}

  Random random;
  std::map<int32_t, Truth> truth;
  std::set<int32_t> to_answer, said;
  Endpoint client, server;
};

// ---- callbacks of nghttp2

struct Self {
  Conversation* conversation;
  bool server;
  Endpoint& endpoint() const { return server ? conversation->server : conversation->client; }
};

ssize_t ReadBody(nghttp2_session* session, int32_t id, uint8_t* buffer, size_t length, uint32_t* flags,
                 nghttp2_data_source* source, void*) {
  auto& out = *static_cast<Outgoing*>(source->ptr);
  const size_t n = std::min(length, out.body.size() - out.sent);
  std::copy_n(out.body.data() + out.sent, n, buffer);
  out.sent += n;
  if (out.sent != out.body.size()) return static_cast<ssize_t>(n);
  *flags |= NGHTTP2_DATA_FLAG_EOF;
  if (!out.trailers.empty()) {
    *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    std::vector<nghttp2_nv> list;
    for (auto& [name, value] : out.trailers)
      list.push_back({reinterpret_cast<uint8_t*>(name.data()), reinterpret_cast<uint8_t*>(value.data()), name.size(),
                      value.size(), 0});
    nghttp2_submit_trailer(session, id, list.data(), list.size());
  }
  return static_cast<ssize_t>(n);
}

int OnFrameReceived(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  const auto& self = *static_cast<Self*>(user);
  const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
  if (self.server && (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) && ends)
    self.conversation->to_answer.insert(frame->hd.stream_id);
  return 0;
}

// What was asked for and taken back before it was said is no stream.
int OnFrameSent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
  auto& conversation = *static_cast<Self*>(user)->conversation;
  if (frame->hd.type == NGHTTP2_HEADERS) conversation.said.insert(frame->hd.stream_id);
  if (frame->hd.type == NGHTTP2_PUSH_PROMISE) conversation.said.insert(frame->push_promise.promised_stream_id);
  return 0;
}

int OnStreamClosed(nghttp2_session*, int32_t id, uint32_t error, void* user) {
  const auto& self = *static_cast<Self*>(user);
  self.conversation->to_answer.erase(id);
  if (error != 0) self.conversation->truth[id].reset = true;
  return 0;
}

ssize_t Pad(nghttp2_session*, const nghttp2_frame* frame, size_t most, void* user) {
  Random& random = static_cast<Self*>(user)->conversation->random;
  const size_t room = std::min<size_t>(most - frame->hd.length, 255);
  return static_cast<ssize_t>(frame->hd.length + (room == 0 || !random.OneIn(4) ? 0 : random.Below(room)));
}

Endpoint::Endpoint(Conversation& conversation, bool server, Random& random)
    : conversation_(conversation), random_(random) {
  static Self selves[2] = {{nullptr, false}, {nullptr, true}};
  Self& self = selves[server ? 1 : 0];
  self.conversation = &conversation;
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrameReceived);
  nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, OnFrameSent);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnStreamClosed);
  nghttp2_session_callbacks_set_select_padding_callback(callbacks, Pad);
  nghttp2_option* option = nullptr;
  nghttp2_option_new(&option);
  const size_t tables[] = {0, 100, 4096, 16384, 65536, 262144};
  nghttp2_option_set_max_deflate_dynamic_table_size(option, tables[random.Below(std::size(tables))]);
  (server ? nghttp2_session_server_new2 : nghttp2_session_client_new2)(&session_, callbacks, &self, option);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  const nghttp2_settings_entry settings[] = {
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 1000},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20},
      {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, static_cast<uint32_t>(tables[random.Below(std::size(tables))])},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings, std::size(settings));
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, 1 << 28);
}

// Some that compression refers to again and again, some that it never saw, some larger than any table of the default.
FieldList Endpoint::SomeFields() {
  FieldList fields;
  for (size_t n = random_.Below(6); n != 0; --n) {
    const std::string number = std::to_string(random_.Below(random_.OneIn(2) ? 4 : 1000));
    fields.emplace_back("x-" + number, "value of " + number);
  }
  if (random_.OneIn(30)) fields.emplace_back("x-long", std::string(random_.Below(20000), 'l'));
  if (random_.OneIn(5)) fields.emplace_back("cookie", "a=" + std::to_string(random_.Below(100)));
  return fields;
}

std::vector<nghttp2_nv> ListOf(FieldList& fields, Random& random) {
  std::vector<nghttp2_nv> list;
  for (auto& [name, value] : fields)
    list.push_back({reinterpret_cast<uint8_t*>(name.data()), reinterpret_cast<uint8_t*>(value.data()), name.size(),
                    value.size(),
                    static_cast<uint8_t>(random.OneIn(10) ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE)});
  return list;
}

int32_t Endpoint::Ask(Truth truth) {
  truth.fields[0] = SomeFields();
  if (random_.OneIn(2)) truth.body[0] = std::string(random_.Below(random_.OneIn(20) ? 100000 : 500), 'q');
  if (!truth.body[0].empty() && random_.OneIn(4)) truth.trailers[0] = {{"x-end", truth.path}};
  FieldList all = {
      {":method", truth.method}, {":scheme", "http"}, {":authority", truth.authority}, {":path", truth.path}};
  all.insert(all.end(), truth.fields[0].begin(), truth.fields[0].end());
  const auto list = ListOf(all, random_);
  nghttp2_priority_spec priority;
  nghttp2_priority_spec_init(&priority, 0, 16 + static_cast<int32_t>(random_.Below(100)), 0);
  const int32_t id = static_cast<int32_t>(nghttp2_session_get_next_stream_id(session_));
  Outgoing& out = outgoing[id] = {truth.body[0], 0, truth.trailers[0]};
  nghttp2_data_provider provider{{.ptr = &out}, ReadBody};
  EXPECT_EQ(nghttp2_submit_request(session_, random_.OneIn(3) ? &priority : nullptr, list.data(), list.size(),
                                   truth.body[0].empty() ? nullptr : &provider, nullptr),
            id);
  conversation_.truth[id] = std::move(truth);
  return id;
}

void Endpoint::Answer(int32_t id) {
  Truth& truth = conversation_.truth[id];
  if (random_.OneIn(10)) {
    FieldList early = {{":status", "103"}, {"link", "</style>; rel=preload"}};
    const auto list = ListOf(early, random_);
    nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, id, nullptr, list.data(), list.size(), nullptr);
    truth.informational.push_back(103);
  }
  if (id % 2 == 1 && random_.OneIn(15)) {
    FieldList promise = {
        {":method", "GET"}, {":scheme", "http"}, {":authority", truth.authority}, {":path", truth.path + "/pushed"}};
    const auto list = ListOf(promise, random_);
    const int32_t pushed =
        nghttp2_submit_push_promise(session_, NGHTTP2_FLAG_NONE, id, list.data(), list.size(), nullptr);
    if (pushed > 0) {
      Truth other;
      other.method = "GET", other.path = truth.path + "/pushed", other.authority = truth.authority, other.pushed = true;
      conversation_.truth[pushed] = other;
      Answer(pushed);
    }
  }
  const char* const statuses[] = {"200", "204", "304", "404", "500", "418"};
  truth.status = statuses[random_.Below(std::size(statuses))];
  truth.fields[1] = SomeFields();
  const bool has_body = truth.method != "HEAD" && truth.status != "204" && truth.status != "304";
  if (has_body) truth.body[1] = std::string(random_.Below(random_.OneIn(20) ? 100000 : 500), 'a');
  if (!truth.body[1].empty() && random_.OneIn(4)) truth.trailers[1] = {{"x-end", truth.path}};
  FieldList all = {{":status", truth.status}};
  all.insert(all.end(), truth.fields[1].begin(), truth.fields[1].end());
  const auto list = ListOf(all, random_);
  Outgoing& out = outgoing[id] = {truth.body[1], 0, truth.trailers[1]};
  nghttp2_data_provider provider{{.ptr = &out}, ReadBody};
  nghttp2_submit_response(session_, id, list.data(), list.size(), truth.body[1].empty() ? nullptr : &provider);
}

// Agrees on another table for what the peer sends; the peer says in its next block that it follows.
void Endpoint::Resize() {
  const uint32_t sizes[] = {0, 64, 1000, 4096, 8192, 65536, 1 << 20};
  const nghttp2_settings_entry entry = {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, sizes[random_.Below(std::size(sizes))]};
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, &entry, 1);
}

// ---- the comparison

enum class Seen : uint8_t { kAll, kLate, kWithHoles, kLateWithHoles };

std::vector<std::string> TextOf(const FieldList& fields) {
  std::vector<std::string> all;
  for (const auto& [name, value] : fields) all.push_back(name + ": " + value);
  return all;
}

// `part` has nothing that `whole` does not have, in the same order.
bool IsPartOf(const std::vector<std::string>& part, const std::vector<std::string>& whole) {
  auto at = whole.begin();
  for (const std::string& one : part) {
    at = std::find(at, whole.end(), one);
    if (at == whole.end()) return false;
    ++at;
  }
  return true;
}

std::vector<std::string> AllOf(const Truth& truth) {
  std::vector<std::string> all = {"link: </style>; rel=preload"};
  for (const FieldList* some : {&truth.fields[1], &truth.trailers[1]})
    for (const std::string& one : TextOf(*some)) all.push_back(one);
  return all;
}

void ExpectRight(const HttpEvent& e, const Truth& truth, bool all) {
  if (e.request.seen) {
    if (all || !e.method.empty()) {
      EXPECT_EQ(e.method, truth.method);
    }
    if (all || !e.target.empty()) {
      EXPECT_EQ(e.target, truth.path);
    }
    if (all || !e.authority.empty()) {
      EXPECT_EQ(e.authority, truth.authority);
    }
  }
  if (e.response.seen && (all || e.status != 0)) {
    EXPECT_EQ(std::to_string(e.status), truth.status);
  }
  for (const int kind : {0, 1}) {
    const HttpMessage& message = kind == 0 ? e.request : e.response;
    const auto fields = Fields(message.headers), trailers = Fields(message.trailers);
    const bool exact = all && message.finished;
    if (exact) {
      EXPECT_EQ(fields, TextOf(truth.fields[kind]));
      EXPECT_EQ(trailers, TextOf(truth.trailers[kind]));
      EXPECT_EQ(message.body, truth.body[kind]);
      EXPECT_EQ(message.body_bytes, truth.body[kind].size());
    } else if (kind == 1 && e.status == 0) {
      // Without a status nobody can tell an interim response, the response and its trailers from each other.
      for (const auto* some : {&fields, &trailers}) EXPECT_TRUE(IsPartOf(*some, AllOf(truth)));
    } else if (message.seen) {
      EXPECT_TRUE(IsPartOf(fields, TextOf(truth.fields[kind]))) << testing::PrintToString(fields) << truth.path;
      EXPECT_TRUE(IsPartOf(trailers, TextOf(truth.trailers[kind]))) << testing::PrintToString(trailers) << truth.path;
    }
    EXPECT_LE(message.body.size(), truth.body[kind].size());
    EXPECT_TRUE(!message.seen || truth.body[kind].starts_with(message.body));
  }
  if (e.complete) {
    EXPECT_EQ(e.informational, truth.informational);
  }
}

struct Tally {
  size_t exact = 0, tagged = 0;
};

void Converse(unsigned seed, Seen seen, Tally& tally) {
  SCOPED_TRACE("seed " + std::to_string(seed));
  Conversation c(seed);
  Random cuts{std::mt19937(seed + 1'000'000)};
  Story s;
  const bool late = seen == Seen::kLate || seen == Seen::kLateWithHoles;
  const bool holes = seen == Seen::kWithHoles || seen == Seen::kLateWithHoles;
  const size_t join = late ? 1 + c.random.Below(120) : 0;  // after how many rounds the capture begins
  if (!late) s.Open();
  constexpr size_t kRounds = 400;
  size_t asked = 0;
  for (size_t round = 0; round < kRounds || nghttp2_session_want_write(c.client.session()) != 0 ||
                         nghttp2_session_want_write(c.server.session()) != 0 || !c.to_answer.empty();
       ++round) {
    ASSERT_LT(round, 20 * kRounds);
    if (late && round == join) s.OpenLate();
    if (round < kRounds && c.random.OneIn(2)) {
      const char* const methods[] = {"GET", "POST", "PUT", "HEAD", "PATCH"};
      Truth truth;
      truth.method = methods[c.random.Below(std::size(methods))];
      truth.path = "/" + std::to_string(++asked);
      truth.authority = c.random.OneIn(3) ? "other:81" : "shop:80";
      const int32_t id = c.client.Ask(std::move(truth));
      if (c.random.OneIn(30)) nghttp2_submit_rst_stream(c.client.session(), NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    }
    if (round < kRounds && c.random.OneIn(40)) (c.random.OneIn(2) ? c.client : c.server).Resize();
    if (c.random.OneIn(20)) nghttp2_submit_ping(c.client.session(), NGHTTP2_FLAG_NONE, nullptr);
    while (!c.to_answer.empty() && c.random.OneIn(2)) {
      auto at = c.to_answer.begin();
      std::advance(at, static_cast<ptrdiff_t>(c.random.Below(c.to_answer.size())));
      const int32_t id = *at;
      c.to_answer.erase(at);
      if (c.random.OneIn(25)) {
        nghttp2_submit_rst_stream(c.server.session(), NGHTTP2_FLAG_NONE, id, NGHTTP2_INTERNAL_ERROR);
      } else {
        c.server.Answer(id);
      }
    }
    // One end writes what it has, in as many pieces as segments may have; frames that go together make one write.
    const bool server_speaks = c.random.OneIn(2);
    Endpoint& speaker = server_speaks ? c.server : c.client;
    std::string wire;
    while (wire.size() < 20000) {
      const std::string more = speaker.Speak();
      if (more.empty()) break;
      wire += more;
    }
    (server_speaks ? c.client : c.server).Hear(wire);
    if (testing::Test::HasFatalFailure()) return;
    if (late && round < join) continue;
    const Direction direction = server_speaks ? Direction::kEgress : Direction::kIngress;
    for (size_t at = 0; at < wire.size();) {
      const size_t n = std::min(wire.size() - at, 1 + cuts.Below(cuts.OneIn(2) ? 100 : 4000));
      if (holes && cuts.OneIn(60)) {
        s.Lose(direction, n, cuts.OneIn(2) ? GapReason::kLost : GapReason::kSkipped);
      } else {
        s.Send(direction, std::string_view(wire).substr(at, n));
      }
      at += n;
    }
  }
  s.Close();
  std::map<uint32_t, int> per_stream;
  for (const HttpEventPtr& e : s.events()) {
    const auto id = static_cast<int32_t>(e->http2->id);
    SCOPED_TRACE("stream " + std::to_string(id) + ": " + Brief(*e) + " " + testing::PrintToString(TagTexts(*e)));
    EXPECT_EQ(++per_stream[e->http2->id], 1);
    ASSERT_TRUE(c.truth.contains(id));
    const Truth& truth = c.truth[id];
    ExpectRight(*e, truth, e->complete || (seen == Seen::kAll && !truth.reset));
    ++(e->complete ? tally.exact : tally.tagged);
    EXPECT_TRUE(e->complete || !e->tags.empty());
    if (e->complete) {
      EXPECT_EQ(e->tags.Has(Tag::kPushed), truth.pushed);
    }
    if (seen != Seen::kAll) continue;
    EXPECT_TRUE(e->complete || truth.reset);
    EXPECT_EQ(e->tags.Has(Tag::kHeadersUnknown), false);
    EXPECT_EQ(e->tags.Has(Tag::kLost), false);
  }
  if (seen == Seen::kAll) {
    EXPECT_EQ(s.events().size(), c.said.size());
  }
  EXPECT_EQ(s.table().budget.used(), 0u);
}

void ConverseOften(Seen seen, unsigned times, Tally& tally) {
  for (unsigned seed = 1; seed <= times && !testing::Test::HasFailure(); ++seed) Converse(seed, seen, tally);
}

TEST(Http2Endpoints, WhatWasSeenFromTheBeginningIsExact) {
  Tally tally;
  ConverseOften(Seen::kAll, 40, tally);
  EXPECT_GT(tally.exact, 6000u);
}

TEST(Http2Endpoints, AfterAJoinAtAnyTimeNothingIsWrong) {
  Tally tally;
  ConverseOften(Seen::kLate, 60, tally);
  EXPECT_GT(tally.exact, 500u);
  EXPECT_GT(tally.tagged, 500u);
}

TEST(Http2Endpoints, WithHolesAnywhereNothingIsWrong) {
  Tally tally;
  ConverseOften(Seen::kWithHoles, 60, tally);
  EXPECT_GT(tally.exact, 500u);
  EXPECT_GT(tally.tagged, 500u);
}

TEST(Http2Endpoints, WithHolesAfterAJoinNothingIsWrong) {
  Tally tally;
  ConverseOften(Seen::kLateWithHoles, 60, tally);
  EXPECT_GT(tally.exact, 300u);
}

}  // namespace
}  // namespace podtap
