// SPDX-License-Identifier: Apache-2.0
#include "sidecar/admin/admin_pages.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>

namespace podtap {
namespace {

class AdminPagesTest : public testing::Test {
 protected:
  AdminPagesTest()
      : tails_(MakeEveEncoder({}, false), MakeTextEncoder(false), shared_.counters),
        pages_({.shared = shared_,
                .config_json = [] { return std::string("{\"mode\":\"ingress\"}"); },
                .kernel_numbers =
                    [] {
                      KernelNumbers numbers;
                      numbers.rows.push_back({"podtap_records_lost_total", "reason=\"ring_full\"", "Lost.", 7});
                      numbers.runs.push_back({"cap_skb_ingress", 42});
                      numbers.lost_records = 7;
                      return numbers;
                    },
                .set_mode = [this](uint32_t mode) -> Status {
                  set_mode_ = mode;
                  return {};
                },
                .tails = tails_}) {}

  HttpResponse Ask(std::string method, std::string path, std::string body = "", bool unix_socket = true) {
    return pages_.Answer({std::move(method), std::move(path), "", std::move(body), unix_socket});
  }

  SharedState shared_;
  TailHub tails_;
  std::optional<uint32_t> set_mode_;
  AdminPages pages_;
};

TEST_F(AdminPagesTest, ReadyOnlyWhileAttachedAndSaysWhyNot) {
  shared_.capture_state = CaptureState::kBpfRefused;
  shared_.SetReason("the kernel refuses BPF");
  EXPECT_EQ(Ask("GET", "/readyz").status, 503u);
  EXPECT_NE(Ask("GET", "/readyz").body.find("the kernel refuses BPF"), std::string::npos);
  EXPECT_EQ(Ask("GET", "/healthz").status, 200u);
  shared_.capture_state = CaptureState::kAttached;
  EXPECT_EQ(Ask("GET", "/readyz").status, 200u);
}

TEST_F(AdminPagesTest, ModeIsChangedByPutAndNamesTheAllowedOnes) {
  EXPECT_EQ(Ask("PUT", "/mode", "egress\n").status, 204u);
  EXPECT_EQ(set_mode_, 1u);
  EXPECT_EQ(Ask("PUT", "/mode", "off").status, 204u);
  EXPECT_EQ(set_mode_, 3u);
  set_mode_.reset();
  const HttpResponse refused = Ask("PUT", "/mode", "both");
  EXPECT_EQ(refused.status, 400u);
  EXPECT_NE(refused.body.find("ingress, egress, all, off"), std::string::npos);
  EXPECT_EQ(set_mode_, std::nullopt);
}

TEST_F(AdminPagesTest, ControlAndPayloadAreServedOnTheUnixSocketOnly) {
  EXPECT_EQ(Ask("PUT", "/mode", "off", false).status, 403u);
  EXPECT_EQ(Ask("GET", "/tail", "", false).status, 403u);
  EXPECT_EQ(set_mode_, std::nullopt);
  EXPECT_EQ(Ask("GET", "/metrics", "", false).status, 200u);
  EXPECT_TRUE(Ask("GET", "/tail").tail);
}

TEST_F(AdminPagesTest, OtherMethodsAndPathsAreRefused) {
  EXPECT_EQ(Ask("POST", "/metrics").status, 405u);
  EXPECT_EQ(Ask("DELETE", "/mode").allow, "GET, HEAD, PUT");
  EXPECT_EQ(Ask("GET", "/etc/passwd").status, 404u);
}

TEST_F(AdminPagesTest, MetricsNameEveryCounterOfOursAndTheKernels) {
  shared_.capture_state = CaptureState::kAttached;
  shared_.counters.Add(Counter::kEventsEmitted, 3);
  const std::string text = Ask("GET", "/metrics").body;
  for (size_t i = 0; i < kCounterCount; ++i)
    EXPECT_NE(text.find(std::string("# TYPE ") + std::string(InfoOf(static_cast<Counter>(i)).metric) + " "),
              std::string::npos);
  EXPECT_NE(text.find("\npodtap_events_total 3\n"), std::string::npos);
  EXPECT_NE(text.find("\npodtap_records_lost_total{reason=\"ring_full\"} 7\n"), std::string::npos);
  EXPECT_NE(text.find("\npodtap_capture_state{reason=\"attached\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("\npodtap_capture_state{reason=\"starting\"} 0\n"), std::string::npos);
}

TEST_F(AdminPagesTest, StatsHoldTheTenKeysAndTheRest) {
  const std::string stats = Ask("GET", "/stats").body;
  for (const char* key : {"ControlEventReceived", "DataEventReceived", "TotalRequestsParsed", "ReqParsingErrors",
                          "ResParsingErrors", "TotalRequestsSent", "TotalEventsDroppedAtEventQueueLimit",
                          "TotalEventsDroppedAtParsing", "KprobeEventMaxQueueSizeTillNow"})
    EXPECT_NE(stats.find(std::string("\"") + key + "\":0"), std::string::npos) << key;
  EXPECT_NE(stats.find("\"EventLost\":7"), std::string::npos);
  EXPECT_NE(stats.find("\"cap_skb_ingress\":42"), std::string::npos);
  EXPECT_TRUE(stats.ends_with("}\n"));
}

TEST_F(AdminPagesTest, EveryMetricHasItsRowInTheDocument) {
  std::ifstream file(PODTAP_SOURCE_DIR "/docs/events.md");
  const std::string document((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::istringstream metrics(Ask("GET", "/metrics").body);
  int rows = 0;
  for (std::string line; std::getline(metrics, line);) {
    if (!line.starts_with("# HELP ") || line.ends_with(" Lost.")) continue;  // the last: this test's own
    const size_t name_end = line.find(' ', 7);
    const std::string name = line.substr(7, name_end - 7), help = line.substr(name_end + 1);
    const size_t at = document.find("| `" + name);
    ASSERT_NE(at, std::string::npos) << "docs/events.md lacks " << name;
    const std::string row = document.substr(at, document.find('\n', at) - at);
    EXPECT_TRUE(row.ends_with("` | " + help + " |")) << row << "\nshould say: " << help;
    ++rows;
  }
  EXPECT_GT(rows, 30);
}

TEST(SharedState, AReasonIsReadWhole) {
  SharedState shared;
  shared.SetReason(std::string(2000, 'x'));
  EXPECT_EQ(shared.Reason(), std::string(511, 'x'));
  shared.SetReason("short");
  EXPECT_EQ(shared.Reason(), "short");
}

// Runs `body` in a child and returns what it returned.
int InChild(const std::function<int()>& body) {
  const pid_t pid = fork();
  if (pid == 0) _exit(body());
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

TEST(SharedState, AWorkerReadsTheAttachersHalfAndWritesItsOwn) {
  const auto made = MakeSharedState();
  ASSERT_TRUE(made);
  SharedState& shared = **made;
  shared.worker_restarts = 3;
  shared.SetReason("before");
  EXPECT_EQ(InChild([&] {
              if (!shared.KeepFromWriting()) return 1;
              shared.counters.Add(Counter::kEventsEmitted, 7);
              shared.connections = 9;
              return shared.worker_restarts == 3 && shared.Reason() == "before" ? 0 : 2;
            }),
            0);
  EXPECT_EQ(shared.counters.Get(Counter::kEventsEmitted), 7u);
  EXPECT_EQ(shared.connections, 9u);
}

TEST(SharedState, AWorkerCannotMakeTheAttachersHalfWritable) {
  const auto made = MakeSharedState();
  ASSERT_TRUE(made);
  SharedState& shared = **made;
  EXPECT_EQ(InChild([&] {
              if (!shared.KeepFromWriting()) return 1;
              return mprotect(&shared, SharedState::kHalf, PROT_READ | PROT_WRITE) < 0 && errno == EACCES ? 0 : 2;
            }),
            0);
  shared.worker_restarts = 4;  // the attacher itself goes on
  EXPECT_EQ(shared.worker_restarts, 4u);
}

}  // namespace
}  // namespace podtap
