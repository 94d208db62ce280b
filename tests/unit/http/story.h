// SPDX-License-Identifier: Apache-2.0
// Story: a test tells what travelled on one connection, and reads the exchanges that the SessionTable made of it.
//   Story s;
//   s.Open().Ingress("GET /a HTTP/1.1\r\n\r\n").Egress(Ok("1")).Close();
// Every event is a microsecond later than the one before. One table may serve several stories (see Table).
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/http/session_table.h"

namespace podtap {

// "HTTP/1.1 200 OK" with that body and its length.
inline std::string Ok(std::string_view body) {
  return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}
inline std::string Get(std::string_view target) {
  return "GET " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n\r\n";
}
inline std::string Post(std::string_view target, std::string_view body) {
  return "POST " + std::string(target) + " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + std::string(body);
}

// A SessionTable with everything around it, and a clock.
class Table : public HttpEventHandler, public InterestHandler {
 public:
  explicit Table(SessionTable::Options options = DefaultOptions(), size_t memory = 24 << 20)
      : budget(memory), table(std::move(options), budget, counters, *this, *this) {
    table.SetWallClock(WallClock(1'000'000'000'000));
  }
  static SessionTable::Options DefaultOptions() {
    SessionTable::Options options;
    options.mode = Mode::kAll;
    return options;
  }
  static SessionTable::Options WithLimits(HttpLimits limits) {
    SessionTable::Options options = DefaultOptions();
    options.limits = limits;
    return options;
  }

  void OnHttpEvent(HttpEventPtr event) override { events.push_back(std::move(event)); }
  void OnInterest(const Interest& interest) override { interests.push_back(interest); }
  void Say(ConnectionId id, std::variant<Opened, Identified, Bytes, Gap, Conflict, Ended, Closed> what) {
    now.ns += 1000;
    table.OnStreamEvent({.connection = id, .at = now, .what = std::move(what)});
  }
  uint64_t Count(Counter counter) const { return counters.Get(counter); }

  Timestamp now{1'000'000'000};
  MemoryBudget budget;
  Counters counters;
  std::vector<HttpEventPtr> events;
  std::vector<Interest> interests;
  SessionTable table;
};

class Story {
 public:
  explicit Story(SessionTable::Options options = Table::DefaultOptions())
      : own_(std::make_unique<Table>(std::move(options))), table_(*own_) {
    Name(1);
  }
  Story(Table& table, uint64_t id) : table_(table) { Name(id); }

  Story& As(Role role) {
    connection.role = role;
    return *this;
  }
  Story& Open(bool from_first_byte = true) {
    table_.Say(connection.id, Opened{connection, from_first_byte});
    if (!from_first_byte) position_[0] = position_[1] = 1'000'000;
    return *this;
  }
  Story& OpenLate() { return Open(false); }
  Story& Ingress(std::string_view data) { return Send(Direction::kIngress, data); }
  Story& Egress(std::string_view data) { return Send(Direction::kEgress, data); }
  Story& Send(Direction direction, std::string_view data) {
    const std::span bytes(reinterpret_cast<const std::byte*>(data.data()), data.size());
    uint64_t& position = position_[IndexOf(direction)];
    table_.Say(connection.id, Bytes{direction, bytes, position});
    position += data.size();
    return *this;
  }
  // One byte per event.
  Story& Slowly(Direction direction, std::string_view data) {
    for (const char& c : data) Send(direction, std::string_view(&c, 1));
    return *this;
  }
  Story& Lose(Direction direction, uint64_t n, GapReason reason = GapReason::kLost) {
    position_[IndexOf(direction)] += n;
    table_.Say(connection.id, Gap{direction, reason, n});
    return *this;
  }
  Story& LoseIngress(uint64_t n) { return Lose(Direction::kIngress, n); }
  Story& LoseEgress(uint64_t n) { return Lose(Direction::kEgress, n); }
  Story& Skip(Direction direction, uint64_t n) { return Lose(direction, n, GapReason::kSkipped); }
  Story& End(Direction direction) {
    table_.Say(connection.id, Ended{direction});
    return *this;
  }
  Story& Conflicting(Direction direction) {
    table_.Say(connection.id, Conflict{direction});
    return *this;
  }
  Story& Identify(Connection known) {
    connection = known;
    table_.Say(connection.id, Identified{connection});
    return *this;
  }
  Story& Close(CloseReason reason = CloseReason::kFinished) {
    table_.Say(connection.id, Closed{reason});
    return *this;
  }
  Story& Wait(uint64_t seconds) {
    table_.now.ns += seconds * 1'000'000'000;
    table_.table.Tick(table_.now);
    return *this;
  }

  Table& table() { return table_; }
  const std::vector<HttpEventPtr>& events() const { return table_.events; }
  const HttpEvent& operator[](size_t i) const { return *table_.events.at(i); }
  uint64_t Count(Counter counter) const { return table_.Count(counter); }

  Connection connection;

 private:
  void Name(uint64_t id) {
    connection.id = {id};
    connection.role = Role::kAccepted;
    connection.local = Endpoint::V4(10, 0, 0, 1, 80);
    connection.remote = Endpoint::V4(10, 0, 0, 7, 51234);
  }

  std::unique_ptr<Table> own_;
  Table& table_;
  uint64_t position_[2] = {0, 0};
};

// "GET /a 200", "- 200" for a response alone, "GET /a -" for a request alone.
inline std::string Brief(const HttpEvent& event) {
  std::string text = event.request.seen ? event.method + " " + event.target : "-";
  text += event.response.seen ? " " + std::to_string(event.status) : " -";
  return text;
}
inline std::vector<std::string> Briefs(const std::vector<HttpEventPtr>& events) {
  std::vector<std::string> all;
  for (const HttpEventPtr& event : events) all.push_back(Brief(*event));
  return all;
}
inline std::vector<std::string> TagTexts(const HttpEvent& event) {
  std::vector<std::string> all;
  event.tags.ForEach([&all](Tag tag) { all.emplace_back(TextOf(tag)); });
  return all;
}
inline std::vector<std::string> Fields(const HeaderList& fields) {
  std::vector<std::string> all;
  for (size_t i = 0; i < fields.size(); ++i)
    all.push_back(std::string(fields[i].name) + ": " + std::string(fields[i].value));
  return all;
}

}  // namespace podtap
