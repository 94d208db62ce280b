// SPDX-License-Identifier: Apache-2.0
#include "sidecar/worker.h"

#include <glog/logging.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "sidecar/admin/admin_pages.h"
#include "sidecar/admin/stats.h"
#include "sidecar/admin/tail_hub.h"
#include "sidecar/capture/packet_capture.h"
#include "sidecar/capture/packet_source.h"
#include "sidecar/config_change.h"
#include "sidecar/control_client.h"
#include "sidecar/kernel_numbers.h"
#include "sidecar/memory_pressure.h"
#include "sidecar/pipeline.h"
#include "sidecar/reader_rest.h"
#include "sidecar/sandbox.h"
#include "sidecar/sink/otlp_sink.h"
#include "sidecar/sink/sink_runner.h"
#include "sidecar/sink/sink_set.h"
#include "sidecar/start_log.h"

namespace podtap {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

// Room beside --memory_limit_bytes for queues, encoders, stacks and libraries.
constexpr uint64_t kDataOverhead = 128 << 20;
constexpr uint64_t kDataPerSink = 64 << 20;  // beyond the first

constexpr std::chrono::milliseconds kMostHold(1000);  // while the end waits for sinks that have no room

// What other threads ask of the loop; the event descriptor ends its wait.
class Requests {
 public:
  Requests() : wakeup_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  void Raise(std::atomic<bool>& flag) {
    flag = true;
    const uint64_t one = 1;
    (void)!write(wakeup_.get(), &one, sizeof(one));
  }
  int fd() const { return wakeup_.get(); }
  void Clear() {
    uint64_t count;
    (void)!read(wakeup_.get(), &count, sizeof(count));
  }
  // The loop says which mode it goes by; whoever changed it waits for that.
  void ShowMode(uint32_t mode) {
    if (mode == shown_mode_) return;
    const std::lock_guard lock(mutex_);
    shown_mode_ = mode;
    mode_shown_.notify_all();
  }
  bool WaitForMode(uint32_t mode) {
    std::unique_lock lock(mutex_);
    return mode_shown_.wait_for(lock, std::chrono::seconds(2), [&] { return shown_mode_ == mode || stop; });
  }
  std::atomic<bool> stop{false};
  std::atomic<bool> reopen{false};
  std::atomic<bool> look_at_mode{false};
  std::atomic<bool> new_config{false};

 private:
  std::mutex mutex_;
  std::condition_variable mode_shown_;
  std::atomic<uint32_t> shown_mode_{UINT32_MAX};
  UniqueFd wakeup_;
};

std::unique_ptr<Encoder> MakeEncoder(const Config& config, const SinkConfig& sink) {
  switch (sink.format) {
    case Format::kText:
      return MakeTextEncoder(sink.address.kind == SinkAddress::Kind::kStdout && isatty(STDOUT_FILENO) != 0);
    case Format::kProto:
      return MakeProtoEncoder(config.identity);
    default:
      return MakeEveEncoder(config.identity, sink.format == Format::kEveStrict);
  }
}

// Starts the sink with this index in the configuration.
Result<std::unique_ptr<Sink>> StartSink(const WorkerInput& input, size_t index, ControlClient& control,
                                        Opener& opener) {
  const Config& config = input.config;
  const SinkConfig& sink = config.sinks[index];
  if (sink.address.kind == SinkAddress::Kind::kOtlp) {
    // Its connections must not be captured as the target's.
    const auto ignore = [&control](int socket) { (void)control.Call(ControlKind::kIgnoreSocket, 0, socket); };
    return OtlpSink::Start({.address = sink.address,
                            .settings = config.otlp,
                            .identity = config.identity,
                            .read = [&control](NamedFile file) { return control.ReadFile(file); },
                            .on_socket = ignore,
                            .max_queue_events = config.sink_queue_events,
                            .max_queue_bytes = config.sink_queue_bytes},
                           SinkCounters(input.shared.counters, &input.shared.sinks[index]));
  }
  return SinkRunner::Start({.address = sink.address,
                            .max_queue_events = config.sink_queue_events,
                            .max_queue_bytes = config.sink_queue_bytes,
                            .file_max_bytes = config.file_max_bytes},
                           MakeEncoder(config, sink), opener,
                           SinkCounters(input.shared.counters, &input.shared.sinks[index]));
}

// The configuration in force. The control thread replaces what of it can change while the worker runs; the loop and the
// admin pages take copies.
class LiveConfig {
 public:
  explicit LiveConfig(Config config) : config_(std::move(config)) {}
  Config Get() const {
    const std::lock_guard lock(mutex_);
    return config_;
  }
  void Follow(const Config& wanted) {
    const std::lock_guard lock(mutex_);
    config_ = WithLiveSettings(std::move(config_), wanted);
  }
  void SetHashKey(std::string key) {
    const std::lock_guard lock(mutex_);
    config_.policy.hash_key = std::move(key);
  }

 private:
  mutable std::mutex mutex_;
  Config config_;
};

// Takes over a configuration file that the attacher has found right.
void FollowFile(const WorkerInput& input, LiveConfig& live, int descriptor) {
  const auto text = ReadDescriptor(descriptor);
  if (!text) {
    LOG(ERROR) << text.error().message;
    return;
  }
  const auto wanted = input.parse(*text);
  if (!wanted) {
    LOG(ERROR) << wanted.error().message;
    return;
  }
  live.Follow(*wanted);
}

// Logs the two stats lines every interval.
class StatsReporter {
 public:
  StatsReporter(const Config& config, const SharedState& shared, const PacketCapture& capture)
      : interval_ns_(config.stats_interval_s * kSecond),
        shared_(shared),
        capture_(capture),
        next_(After(MonotonicNow())) {}
  void SetInterval(uint64_t seconds) {
    interval_ns_ = seconds * kSecond;
    next_ = After(MonotonicNow());
  }
  void Tick(Timestamp now) {
    if (interval_ns_ == 0 || now < next_) return;
    next_ = After(now);
    Report();
  }
  void Report() const {
    const KernelNumbers kernel = ReadKernelNumbers(&capture_);
    LOG(INFO) << "stats " << StatsJson(shared_.counters, kernel);
    LOG(INFO) << "probe stat " << ProbeStatJson(kernel);
  }

 private:
  Timestamp After(Timestamp now) const { return Timestamp{now.ns + interval_ns_}; }
  uint64_t interval_ns_;
  const SharedState& shared_;
  const PacketCapture& capture_;
  Timestamp next_;
};

// Waits for a request, or for the source to call. The ring counts as readable whenever a record is there, so only the
// edge, the kernel's wake-up, may end the wait.
class Waiter {
 public:
  Waiter(int requests, int source) : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    Add(requests, EPOLLIN);
    if (source >= 0) Add(source, EPOLLIN | EPOLLET);
  }
  void Wait(int timeout_ms) {
    epoll_event events[2];
    epoll_wait(epoll_.get(), events, 2, timeout_ms);
  }

 private:
  void Add(int fd, uint32_t events) {
    epoll_event event{};
    event.events = events;
    PCHECK(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0);
  }
  UniqueFd epoll_;
};

// Reads, parses and delivers until told to stop.
void Loop(const WorkerInput& input, const LiveConfig& live, Requests& requests, PacketSource& source,
          Pipeline& pipeline, SinkSet& sinks) {
  StatsReporter stats(input.config, input.shared, *input.capture);
  pipeline.FollowMode(input.shared.mode, input.shared.mode_since_ns);
  pipeline.HoldWhile(
      [&] { return sinks.Busy() && source.backlog() < input.config.ring_bytes / 3 && !pipeline.mode_changes(); });
  Waiter waiter(requests.fd(), source.wakeup_fd());
  ReaderRest rest;
  while (!requests.stop) {
    const Timestamp now = MonotonicNow();
    requests.ShowMode(pipeline.UpdateMode());
    const size_t records = pipeline.RunOnce(now);
    input.shared.connections.store(pipeline.connection_count(), std::memory_order_relaxed);
    input.shared.memory_used.store(pipeline.memory_used(), std::memory_order_relaxed);
    stats.Tick(now);
    if (requests.reopen.exchange(false)) sinks.Reopen();
    if (requests.new_config.exchange(false)) {
      const Config config = live.Get();
      pipeline.SetPolicy(config);
      stats.SetInterval(config.stats_interval_s);
    }
    if (pipeline.holding()) {
      waiter.Wait(1);
      requests.Clear();
      continue;
    }
    if (records >= Pipeline::kRecordsPerRound) continue;  // there is more
    const ReaderRest::Next next = rest.After(records, source.backlog());
    if (next.wish) source.WakeOnNextRecord();
    if (next.rest_ms > 0) waiter.Wait(next.rest_ms);
    requests.Clear();
  }
  // One time for all that the end takes: the attacher waits little longer.
  const std::chrono::milliseconds timeout(live.Get().shutdown_timeout_ms);
  const auto deadline = Sink::Clock::now() + timeout;
  pipeline.Finish(std::min(timeout / 2, kMostHold));
  const size_t left = sinks.Shutdown(deadline);
  stats.Report();
  if (left == 0)
    LOG(INFO) << "end: the sinks took everything that waited";
  else
    LOG(WARNING) << "end: " << left << " exchanges could not be sent in time";
}

// A worker that needs too much must end by its own limit and be replaced, not by the container's, which may take the
// attacher with it.
uint64_t DataLimitOfContainer(const Config& config) {
  constexpr uint64_t kAttacher = 8 << 20, kLeast = 32 << 20;
  const std::optional<uint64_t> limit = OwnMemoryLimit();
  if (!limit) return UINT64_MAX;
  const uint64_t others = config.ring_bytes + kAttacher;
  return std::max(*limit > others ? *limit - others : 0, config.memory_limit_bytes + kLeast);
}

Status EnterSandbox(const WorkerInput& input) {
  const uint64_t max_data = input.config.memory_limit_bytes * 2 + kDataOverhead +
                            (input.config.sinks.size() - 1) * (kDataPerSink + input.config.sink_queue_bytes) +
                            input.config.sink_queue_bytes;
  const uint64_t limit = std::min(max_data, DataLimitOfContainer(input.config));
  if (Status ok = DropPrivileges(input.attacher, limit); !ok) return ok;
  const auto& sinks = input.config.sinks;
  const bool network = std::any_of(
      sinks.begin(), sinks.end(), [](const SinkConfig& sink) { return sink.address.kind == SinkAddress::Kind::kOtlp; });
  auto listener = LoadWorkerFilter(network);
  if (!listener) return std::unexpected(listener.error());
  if (*listener) {
    ControlMessage message;
    message.kind = ControlKind::kSeccompListener;
    return SendControl(input.control, message, listener->get());
  }
  return {};
}

int Capture(const WorkerInput& input, LiveConfig& live, Requests& requests, ControlClient& control, TailHub& tails) {
  std::vector<SinkAddress> addresses;
  for (const SinkConfig& sink : input.config.sinks) addresses.push_back(sink.address);
  ControlOpener opener(control, std::move(addresses));
  SinkSet sinks;
  for (size_t i = 0; i < input.config.sinks.size(); ++i) {
    auto sink = StartSink(input, i, control, opener);
    if (!sink) {
      LOG(ERROR) << sink.error().message;
      return sink.error().exit_code;
    }
    sinks.Add(*std::move(sink));
  }
  if (!input.config.redact_hash_key_file.empty()) {
    auto key = control.ReadFile(NamedFile::kHashKey);
    if (!key) {
      LOG(ERROR) << key.error().message;
      return key.error().exit_code;
    }
    live.SetHashKey(*std::move(key));
  }
  PacketSource source(input.capture->memory(), input.shared.counters);
  Pipeline pipeline(
      live.Get(), source, input.shared.counters, [&](uint64_t cgroup_id) { return control.ContainerOf(cgroup_id); },
      [&](std::span<const HttpEventPtr> events) {
        tails.Push(events);
        sinks.Push(events);
      },
      input.resumed);
  control.Tell(ControlKind::kReady, 0);
  Loop(input, live, requests, source, pipeline, sinks);
  return 0;
}

}  // namespace

int RunWorker(const WorkerInput& input) {
  tzset();  // before the time zone's file is out of reach
  if (Status ok = EnterSandbox(input); !ok) {
    LOG(ERROR) << ok.error().message;
    return Error::kEnvironment;
  }
  Requests requests;
  LiveConfig live(input.config);
  ControlClient control(input.control, [&](ControlKind kind, UniqueFd descriptor) {
    if (kind == ControlKind::kNewConfig) {
      FollowFile(input, live, descriptor.get());
      SetLogLevel(live.Get().log_level);
      requests.Raise(requests.new_config);
      return;
    }
    requests.Raise(kind == ControlKind::kReopen       ? requests.reopen
                   : kind == ControlKind::kLookAtMode ? requests.look_at_mode
                                                      : requests.stop);
  });
  TailHub tails(MakeEveEncoder(input.config.identity, /*strict=*/false), MakeTextEncoder(/*colours=*/false),
                input.shared.counters);
  const AdminPages pages({.shared = input.shared,
                          .config_json = [&] { return live.Get().Json(); },
                          .kernel_numbers = [&] { return ReadKernelNumbers(input.capture); },
                          .set_mode = [&](uint32_t mode) -> Status {
                            if (auto answer = control.Call(ControlKind::kSetMode, mode); !answer)
                              return std::unexpected(answer.error());
                            if (input.capture != nullptr && !requests.WaitForMode(mode))
                              return EnvironmentError("the worker has not followed yet");
                            return {};
                          },
                          .tails = tails,
                          .sinks = input.config.SinkNames()});
  std::optional<HttpServer> admin;
  if (!input.admin_listeners.empty()) {
    std::vector<UniqueFd> listeners;
    for (const int listener : input.admin_listeners) listeners.emplace_back(listener);
    admin.emplace(std::move(listeners), [&](const HttpRequest& request) { return pages.Answer(request); });
  }
  if (input.capture == nullptr) {
    control.Tell(ControlKind::kReady, 0);
    Waiter waiter(requests.fd(), -1);
    while (!requests.stop) waiter.Wait(-1), requests.Clear();
    return 0;
  }
  return Capture(input, live, requests, control, tails);
}

}  // namespace podtap
