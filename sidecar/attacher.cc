// SPDX-License-Identifier: Apache-2.0
#include "sidecar/attacher_parts.h"

#include <glog/logging.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/http_server.h"
#include "sidecar/memory_pressure.h"
#include "sidecar/named_files.h"
#include "sidecar/start_log.h"
#include "sidecar/target_processes.h"

namespace podtap {
namespace {

constexpr uint64_t kFirstBackoffMs = 1000, kLastBackoffMs = 60'000;  // between attempts to attach
constexpr uint64_t kAfterNoWorkerMs = 5000;
constexpr int kCgroupPollMs = 200;
constexpr uint64_t kDrainPollMs = 50;
// Beside the ring: 13 MiB were measured while the kernel verifies the programs, 4 MiB afterwards.
constexpr uint64_t kMemoryToAttach = 16 << 20;

Result<UniqueFd> WatchSignals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP, SIGCHLD}) sigaddset(&set, signal);
  if (sigprocmask(SIG_BLOCK, &set, nullptr) < 0) return ErrnoError("cannot block signals");
  UniqueFd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return ErrnoError("cannot watch signals");
  signal(SIGPIPE, SIG_IGN);
  return fd;
}

std::string InMiB(uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

}  // namespace

Attacher::Attacher(Config config, Options options)
    : config_(std::move(config)),
      options_(std::move(options)),
      file_(options_.parse ? config_.config_file : std::string(), options_.parse, options_.file_text),
      opener_(MakeDirectOpener()) {}

Attacher::~Attacher() = default;

Status Attacher::Prepare() {
  if (config_.keep_running) BeEndedLast();
  auto shared = MakeSharedState();
  if (!shared) return std::unexpected(shared.error());
  shared_ = *shared;
  if (!config_.annotation_file.empty()) annotation_ = ReadSmallFile(config_.annotation_file);
  shared_->mode = static_cast<uint32_t>(WantedMode());
  auto signals = WatchSignals();
  if (!signals) return std::unexpected(signals.error());
  signals_ = *std::move(signals);
  for (const std::string& address : config_.admin_addresses) {
    auto listener = ListenOn(address);
    if (listener)
      admin_listeners_.push_back(*std::move(listener));
    else
      LOG(WARNING) << "no admin endpoint at " << address << ": " << listener.error().message;
  }
  return {};
}

Result<int> Attacher::Run() {
  if (Status ok = Prepare(); !ok) return std::unexpected(ok.error());
  const Timestamp give_up_waiting = In(config_.target.wait_ms);
  if (options_.broken_configuration) Fail(*options_.broken_configuration);
  while (!ending_) {
    if (!capture_ && !options_.broken_configuration && MonotonicNow() >= next_attempt_) {
      if (Status ok = TryAttach(); !ok) {
        const bool may_appear = shared_->capture_state == CaptureState::kNoCgroup && MonotonicNow() < give_up_waiting;
        if (may_appear) {
          next_attempt_ = In(kCgroupPollMs);
        } else if (config_.keep_running) {
          Fail(ok.error());
        } else {
          return std::unexpected(ok.error());
        }
      }
    }
    if (!worker_ && !ending_ && (capture_ || config_.keep_running) && MonotonicNow() >= next_worker_) {
      if (Status ok = StartWorker(); !ok) {
        LOG(ERROR) << ok.error().message;
        next_worker_ = In(kAfterNoWorkerMs);
      }
    }
    pollfd waiting[] = {{signals_.get(), POLLIN, 0},
                        {worker_ ? worker_->control.get() : -1, POLLIN, 0},
                        {worker_ ? worker_->seccomp.get() : -1, POLLIN, 0},
                        {draining_until_ ? -1 : options_.end_when_readable, POLLIN, 0}};
    if (poll(waiting, std::size(waiting), TimeoutMs()) < 0) {
      if (errno == EINTR) continue;
      error_ = ErrnoError("cannot wait for the worker").error();
      break;
    }
    if ((waiting[1].revents & POLLIN) != 0) OnControl();
    if (waiting[2].revents != 0) OnSeccomp(waiting[2].revents);
    if ((waiting[3].revents & POLLIN) != 0 && !draining_until_) BeginEnd();
    if ((waiting[0].revents & POLLIN) != 0) {
      signalfd_siginfo signal;
      while (read(signals_.get(), &signal, sizeof(signal)) == sizeof(signal)) OnSignal(signal);
    }
    FollowAnnotation();
    FollowConfigFile();
    if (draining_until_ && !ending_ && Drained()) ending_ = true;
  }
  shared_->capture_state = CaptureState::kStopping;
  StopWorker(/*flush=*/true);
  if (error_) return std::unexpected(*error_);
  return 0;
}

int Attacher::TimeoutMs() const {
  uint64_t timeout = config_.annotation_file.empty() && !file_.follows() ? 60'000 : 1000;
  const uint64_t now = MonotonicNow().ns;
  const auto until = [&](Timestamp t) {
    timeout = std::min(timeout, t.ns > now ? (t.ns - now) / kNsPerMs + 1 : uint64_t{0});
  };
  if (!capture_ && !options_.broken_configuration) until(next_attempt_);
  if (!worker_ && (capture_ || config_.keep_running)) until(next_worker_);
  if (draining_until_) timeout = std::min<uint64_t>(timeout, kDrainPollMs);
  return static_cast<int>(timeout);
}

Status Attacher::TryAttach() {
  const CgroupRequest request{config_.target.cgroup, config_.target.pod_uid, config_.target.cgroup_root, 0};
  // A sink that cannot be written is better said now than by the worker, later and again and again.
  // Not so a socket: it may appear later, and its collector must not see a connection that only looked.
  Status usable = OpenSinks(config_, opened_sinks_);
  if (usable) usable = CheckNamedFiles(config_);
  if (!usable) {
    shared_->capture_state = CaptureState::kConfiguration;
    return usable;
  }
  auto target = FindCgroup(request);
  if (!target) {
    const bool usage = target.error().exit_code == Error::kUsage;
    shared_->capture_state = usage ? CaptureState::kConfiguration : CaptureState::kNoCgroup;
    return std::unexpected(target.error());
  }
  if (!target->warning.empty() && !options_.target_is_ours && !std::exchange(warned_, true))
    LOG(WARNING) << target->warning;
  if (const auto limit = OwnMemoryLimit(); limit && *limit < config_.ring_bytes + kMemoryToAttach) {
    shared_->capture_state = CaptureState::kNoMemory;
    return EnvironmentError("this container may use " + InMiB(*limit) + " of memory, and capture needs at least " +
                            InMiB(config_.ring_bytes + kMemoryToAttach) + "; raise the limit or lower --ring_bytes");
  }
  PacketCapture::Options options;
  options.cgroup_fd = target->fd.get();
  options.own_cgroup_id = target->own_id;
  options.mode = static_cast<int>(shared_->mode.load());
  options.ring_bytes = config_.ring_bytes;
  options.max_header_bytes = config_.http.max_header_bytes;
  options.max_body_bytes = config_.http.max_body_bytes;
  auto capture = PacketCapture::Attach(options);
  if (!capture) {
    shared_->capture_state = CaptureState::kBpfRefused;
    return std::unexpected(capture.error());
  }
  capture_ = *std::move(capture);
  // Without a cgroup of its own below the target podtap's traffic is known by its sockets. The admin endpoint's are
  // all.
  if (target->own_id == 0)
    for (const UniqueFd& listener : admin_listeners_)
      if (Status ok = capture_->IgnoreSocket(listener.get()); !ok)
        LOG(WARNING) << "the admin endpoint's own traffic is captured too: " << ok.error().message;
  target_ = *std::move(target);
  containers_ = std::make_unique<ContainerNames>(*target_);
  LOG(INFO) << "attached to " << target_->path;
  // A worker that ran without capture is replaced by one that inherits the ring.
  if (worker_) StopWorker(/*flush=*/false);
  next_worker_ = Timestamp{};
  return {};
}

void Attacher::Fail(const Error& error) {
  if (options_.broken_configuration) shared_->capture_state = CaptureState::kConfiguration;
  // Said once, however long it is (the shared page has room for a line).
  if (last_failure_ != error.message) LOG(ERROR) << "not capturing: " << error.message;
  last_failure_ = error.message;
  shared_->SetReason(error.message);
  attempt_backoff_ms_ = std::clamp(attempt_backoff_ms_ * 2, kFirstBackoffMs, kLastBackoffMs);
  next_attempt_ = In(attempt_backoff_ms_);
}

void Attacher::OnSignal(const signalfd_siginfo& signal) {
  switch (signal.ssi_signo) {
    case SIGCHLD:
      ReapChildren();
      break;
    case SIGHUP:
      opened_sinks_.clear();  // a file that was moved away meanwhile
      Tell(ControlKind::kReopen);
      break;
    default:
      if (options_.on_signal) {
        options_.on_signal(signal);
      } else {
        BeginEnd();
      }
  }
}

// After SIGTERM the application may still be answering: go on while other processes live in the target. A second one
// ends it at once.
void Attacher::BeginEnd() {
  shared_->capture_state = CaptureState::kStopping;
  if (!capture_ || config_.drain_ms == 0 || draining_until_) ending_ = true;
  if (!draining_until_) draining_until_ = In(config_.drain_ms);
}

bool Attacher::Drained() const {
  return MonotonicNow() >= *draining_until_ || !OthersIn(*target_, worker_ ? worker_->pid : -1, talkers_);
}

}  // namespace podtap
