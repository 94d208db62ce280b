// SPDX-License-Identifier: Apache-2.0
// A SinkRunner and its datagram socket: one record each, and what happens to those that do not fit.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "sidecar/sink/sink_runner.h"
#include "tests/unit/sink/sample_event.h"
#include "tests/unit/sink/sink_peers.h"

namespace podtap {
namespace {

namespace json = boost::json;

class DatagramSink : public testing::Test {
 protected:
  void Start(bool strict = false) {
    auto runner = SinkRunner::Start({.address = {SinkAddress::Kind::kUnixDatagram, folder_ / "d"}},
                                    MakeEveEncoder(Identity{"", "", "", "", "run"}, strict), *opener_, counters_);
    ASSERT_TRUE(runner) << runner.error().message;
    runner_ = *std::move(runner);
  }
  void Push(const std::vector<HttpEventPtr>& events) { runner_->Push(events); }
  uint64_t Get(Counter counter) const { return counters_.Get(counter); }

  TemporaryFolder folder_;
  Counters counters_;
  std::unique_ptr<Opener> opener_ = MakeDirectOpener();
  std::unique_ptr<SinkRunner> runner_;
};

std::string Url(const std::string& datagram) {
  json::error_code error;
  const json::value record = json::parse(datagram, error);
  return error ? "not JSON: " + datagram : std::string(record.at("http").at("url").as_string());
}

constexpr size_t kTooLarge = 1'000'000;  // for any socket buffer that a machine has by default

TEST_F(DatagramSink, EachRecordIsOneDatagram) {
  UnixServer server(folder_ / "d", SOCK_DGRAM);
  Start();
  Push(Series(1, 100));  // more than wait in a socket at once: the writer waits for room
  for (int n = 1; n <= 100; ++n) EXPECT_EQ(Url(server.Datagram()), "/" + std::to_string(n));
  runner_->Shutdown(std::chrono::milliseconds(1000));
  EXPECT_EQ(Get(Counter::kSinkEventsWritten), 100u);
  EXPECT_EQ(Get(Counter::kSinkBodiesDropped), 0u);
}

TEST_F(DatagramSink, ARecordThatDoesNotFitComesWithoutBodiesAndSaysSo) {
  UnixServer server(folder_ / "d", SOCK_DGRAM);
  Start();
  Push({NumberedEvent(1), NumberedEvent(2, kTooLarge), NumberedEvent(3)});
  EXPECT_EQ(Url(server.Datagram()), "/1");
  const json::value second = json::parse(server.Datagram());
  EXPECT_EQ(second.at("http").at("url"), "/2");
  EXPECT_FALSE(second.at("http").as_object().contains("http_response_body"));
  EXPECT_EQ(second.at("http").at("length"), kTooLarge);
  EXPECT_EQ(json::serialize(second.at("podtap").at("tags")), R"(["bodies_dropped"])");
  EXPECT_TRUE(second.at("podtap").at("complete").as_bool());
  const std::string third = server.Datagram();
  EXPECT_EQ(Url(third), "/3");
  EXPECT_NE(third.find("http_response_body"), std::string::npos);
  runner_->Shutdown(std::chrono::milliseconds(1000));
  EXPECT_EQ(Get(Counter::kSinkBodiesDropped), 1u);
  EXPECT_EQ(Get(Counter::kSinkEventsWritten), 3u);
}

TEST_F(DatagramSink, ARecordThatNeverFitsIsCountedAndTheNextOneComes) {
  UnixServer server(folder_ / "d", SOCK_DGRAM);
  Start(true);
  auto with_body = std::make_shared<HttpEvent>(SampleEvent());
  with_body->request.headers.Add("X-Large", std::string(kTooLarge, 'h'));
  auto without = std::make_shared<HttpEvent>(*with_body);
  without->response.body.clear();
  Push({with_body, without, NumberedEvent(3)});
  EXPECT_EQ(Url(server.Datagram()), "/3");
  runner_->Shutdown(std::chrono::milliseconds(1000));
  EXPECT_EQ(Get(Counter::kSinkTooLarge), 2u);
  EXPECT_EQ(Get(Counter::kSinkEventsWritten), 1u);
}

TEST_F(DatagramSink, ACollectorThatRestartsIsFoundAgain) {
  auto server = std::make_unique<UnixServer>(folder_ / "d", SOCK_DGRAM);
  Start();
  Push(Series(1, 1));
  EXPECT_EQ(Url(server->Datagram()), "/1");
  server.reset();
  Push(Series(2, 3));
  EXPECT_TRUE(Eventually([&] { return Get(Counter::kSinkWriteErrors) > 0; }));
  server = std::make_unique<UnixServer>(folder_ / "d", SOCK_DGRAM);
  EXPECT_EQ(Url(server->Datagram()), "/2");
  EXPECT_EQ(Url(server->Datagram()), "/3");
  EXPECT_EQ(Get(Counter::kSinkReconnects), 1u);
}

TEST_F(DatagramSink, OneThatNobodyReadsHoldsUpNoShutdown) {
  UnixServer server(folder_ / "d", SOCK_DGRAM);
  Start();
  Push(Series(1, 1000));
  runner_->Shutdown(std::chrono::milliseconds(50));
  EXPECT_EQ(Get(Counter::kSinkEventsWritten) + Get(Counter::kSinkShutdown), 1000u);
  EXPECT_GT(Get(Counter::kSinkShutdown), 0u);
}

}  // namespace
}  // namespace podtap
