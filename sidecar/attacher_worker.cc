// SPDX-License-Identifier: Apache-2.0
// Of the attacher: the worker's life, and what it asks for.
#include "sidecar/attacher_parts.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <utility>

#include "base/json_line.h"
#include "sidecar/memory_pressure.h"
#include "sidecar/named_files.h"
#include "sidecar/sandbox.h"
#include "sidecar/sink/sink.h"
#include "sidecar/worker.h"

namespace podtap {
namespace {

constexpr uint64_t kFirstWorkerBackoffMs = 10, kLastWorkerBackoffMs = 5'000;  // between two workers
constexpr uint64_t kWorkerIsFineAfterNs = 10'000 * kNsPerMs;
constexpr int kUnreadyWorkers = 3;  // so many in a row end before they begin: capture does not work here
constexpr size_t kMaxTalkers = 4096;

// The line that operators of earlier agents look for. Mode: 0 ingress, 1 egress, 2 both.
std::string AddedPodJson(const Config& config, Mode mode) {
  JsonLine line;
  line.Text("Name", config.identity.pod).Text("Namespace", config.identity.namespace_name);
  line.Text("Service", config.identity.service).Bool("Enabled", mode != Mode::kOff);
  line.Number("Mode", static_cast<uint64_t>(std::min(mode, Mode::kAll)));
  return line.Finish();
}

}  // namespace

Status Attacher::StartWorker() {
  auto pair = MakeControlPair();
  if (!pair) return std::unexpected(pair.error());
  auto worker = std::make_unique<Worker>();
  worker->control = std::move(pair->attacher);
  // A worker that does not read what it is told must not stop the attacher.
  if (fcntl(worker->control.get(), F_SETFL, O_NONBLOCK) < 0) return ErrnoError("cannot prepare the control socket");
  worker->started = MonotonicNow();
  const pid_t self = getpid();
  const pid_t pid = fork();
  if (pid < 0) return ErrnoError("cannot start the worker");
  if (pid == 0) {
    if (Status ok = shared_->KeepFromWriting(); !ok) {
      LOG(ERROR) << ok.error().message;
      _exit(Error::kEnvironment);
    }
    BeEndedFirst();  // a worker can be replaced
    worker->control.reset();
    signals_.reset();
    target_.reset();
    containers_.reset();
    opened_sinks_.clear();
    if (capture_) capture_->ForgetPrograms();
    sigset_t none;
    sigemptyset(&none);
    // A terminal's Ctrl-C goes to the whole process group; only the attacher decides when the worker ends.
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    std::vector<int> listeners;
    for (const UniqueFd& listener : admin_listeners_) listeners.push_back(dup(listener.get()));
    Config config = config_;
    // Each worker numbers what it sees anew.
    if (workers_before_ > 0) config.identity.run_id += "." + std::to_string(workers_before_);
    const WorkerInput input{
        config,        *shared_, capture_.get(), pair->worker.get(), self, std::move(listeners), workers_before_ > 0,
        options_.parse};
    const int status = RunWorker(input);
    google::FlushLogFiles(google::GLOG_INFO);
    _exit(status);
  }
  worker->pid = pid;
  shared_->worker_pid = static_cast<uint32_t>(pid);
  shared_->worker_started_ns = worker->started.ns;
  worker_ = std::move(worker);
  return {};
}

// Programs alone capture nothing: podtap is attached when a worker reads what they write.
void Attacher::OnReady() {
  worker_->ready = true;
  unready_workers_ = 0;
  if (!capture_ || draining_until_) return;
  if (shared_->capture_state != CaptureState::kAttached) {
    shared_->SetReason("");
    last_failure_.clear();
    shared_->attached_ns = MonotonicNow().ns;
    shared_->capture_state = CaptureState::kAttached;
  }
  if (std::exchange(announced_, true)) return;
  LOG(INFO) << "Added pod to maps. " << AddedPodJson(config_, static_cast<Mode>(shared_->mode.load()));
  if (!options_.on_attached) return;
  if (Status ok = options_.on_attached(); !ok) {
    error_ = ok.error();
    ending_ = true;
  }
}

void Attacher::OnUnreadyEnd(const std::string& how) {
  if (++unready_workers_ < kUnreadyWorkers || !capture_) return;
  shared_->capture_state = CaptureState::kNoWorker;
  shared_->attached_ns = 0;
  const Error error =
      EnvironmentError("the worker cannot run here: it " + how + " before it began; the lines above say why").error();
  if (config_.keep_running || announced_) return Fail(error);
  error_ = error;
  ending_ = true;
}

void Attacher::OnControl() {
  auto received = ReceiveControl(worker_->control.get());
  if (!received) {  // the worker is going, or misbehaves: either way SIGCHLD tells when it has gone
    kill(worker_->pid, SIGKILL);
    return;
  }
  const ControlMessage& message = received->message;
  switch (message.kind) {
    case ControlKind::kOpenSink:
    case ControlKind::kRotateSink: {
      if (message.value >= config_.sinks.size()) return Answer(message.id, EnvironmentError("no such sink"));
      const SinkAddress& sink = config_.sinks[message.value].address;
      if (message.kind == ControlKind::kRotateSink) {
        if (Status ok = MayRotate(sink, config_.file_max_bytes); !ok) return Answer(message.id, ok);
        return Answer(message.id, opener_->Rotate(sink));
      }
      UniqueFd opened;
      if (message.value < opened_sinks_.size()) opened = std::move(opened_sinks_[message.value]);
      const auto descriptor = opened ? Result<UniqueFd>(std::move(opened)) : opener_->Open(sink);
      if (!descriptor) return Answer(message.id, std::unexpected(descriptor.error()));
      return Answer(message.id, {}, descriptor->get());
    }
    case ControlKind::kOpenFile: {
      if (message.value >= static_cast<uint64_t>(NamedFile::kCount))
        return Answer(message.id, EnvironmentError("no such file"));
      const auto file = OpenNamedFile(config_, static_cast<NamedFile>(message.value));
      if (!file) return Answer(message.id, std::unexpected(file.error()));
      return Answer(message.id, {}, file->get());
    }
    case ControlKind::kIgnoreSocket:
      // Where podtap has a cgroup of its own, its traffic is known by that.
      if (!capture_ || target_->own_id != 0) return Answer(message.id, {});
      return Answer(message.id, capture_->IgnoreSocket(received->descriptor.get()));
    case ControlKind::kContainerOf:
      if (talkers_.size() < kMaxTalkers) talkers_.insert(message.value);
      return Answer(message.id, {}, -1,
                    containers_ ? containers_->ContainerIdOf(message.value, MonotonicNow()) : std::string());
    case ControlKind::kSetMode:
      if (message.value > static_cast<uint64_t>(Mode::kOff))
        return Answer(message.id, EnvironmentError("no such mode"));
      SetMode(static_cast<Mode>(message.value));
      return Answer(message.id, {});
    case ControlKind::kSeccompListener:
      // Once, while it was not yet under the filter: a later one could only be meant to hide refusals.
      if (received->descriptor && !std::exchange(worker_->sent_listener, true))
        worker_->seccomp = std::move(received->descriptor);
      return;
    case ControlKind::kReady:
      if (!worker_->ready) OnReady();
      return;
    default:
      return;
  }
}

void Attacher::Answer(uint64_t id, const Status& status, int descriptor, std::string_view text) {
  ControlMessage reply;
  reply.id = id;
  reply.SetText(status ? text : std::string_view(status.error().message));
  if (!status) reply.error = static_cast<uint32_t>(status.error().exit_code);
  (void)SendControl(worker_->control.get(), reply, descriptor);  // a worker that is gone asks nothing
}

void Attacher::Tell(ControlKind kind) {
  if (!worker_) return;
  ControlMessage message;
  message.kind = kind;
  (void)SendControl(worker_->control.get(), message);
}

void Attacher::OnSeccomp(short revents) {
  if (!worker_ || !worker_->seccomp) return;
  if ((revents & POLLIN) == 0) {  // nobody is left under the filter
    worker_->seccomp.reset();
    return;
  }
  const int call = AnswerRefusal(worker_->seccomp.get());
  CountViolation(call < 0 ? "" : " " + std::to_string(call));
}

void Attacher::CountViolation(const std::string& what) {
  if (shared_->seccomp_violations.fetch_add(1) == 0) LOG(WARNING) << "the worker was refused system call" << what;
}

void Attacher::ReapChildren() {
  if (!worker_) return;
  int status = 0;
  if (waitpid(worker_->pid, &status, WNOHANG) == worker_->pid) OnWorkerEnd(status);
}

void Attacher::OnWorkerEnd(int status) {
  const Timestamp started = worker_->started;
  const bool was_ready = worker_->ready;
  worker_.reset();
  shared_->worker_pid = 0;
  if (ending_ || stopping_worker_) return;
  shared_->worker_restarts.fetch_add(1);
  ++workers_before_;
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) CountViolation(" execve");
  const std::string how = WIFSIGNALED(status) ? "was ended by signal " + std::to_string(WTERMSIG(status))
                                              : "ended with status " + std::to_string(WEXITSTATUS(status));
  LOG(ERROR) << "the worker " << how << "; starting another";
  if (!was_ready) OnUnreadyEnd(how);
  SkipPoison();
  const bool was_fine = NanosecondsBetween(started, MonotonicNow()) >= kWorkerIsFineAfterNs;
  worker_backoff_ms_ = was_fine ? 0 : std::clamp(worker_backoff_ms_ * 2, kFirstWorkerBackoffMs, kLastWorkerBackoffMs);
  next_worker_ = In(worker_backoff_ms_);
}

// A record that ended two workers in a row is passed over, so that it cannot end a third.
void Attacher::SkipPoison() {
  if (!capture_) return;
  const uint64_t position = capture_->memory().reader->reading_position;
  const bool again = died_at_ == position;
  died_at_ = position;
  if (!again || !capture_->SkipRecord()) return;
  shared_->records_skipped.fetch_add(1);
  died_at_.reset();
  LOG(ERROR) << "a record that ended two workers was passed over";
}

void Attacher::StopWorker(bool flush) {
  if (!worker_) return;
  Tell(ControlKind::kStop);
  const Timestamp deadline = In((flush ? config_.shutdown_timeout_ms : 0) + 1000);
  stopping_worker_ = true;
  while (worker_ && MonotonicNow() < deadline) {
    pollfd waiting[] = {
        {worker_->control.get(), POLLIN, 0}, {worker_->seccomp.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    poll(waiting, 3, 100);
    if ((waiting[0].revents & POLLIN) != 0) OnControl();
    if (waiting[1].revents != 0) OnSeccomp(waiting[1].revents);
    signalfd_siginfo signal;
    while (read(signals_.get(), &signal, sizeof(signal)) == sizeof(signal)) OnSignal(signal);
    ReapChildren();
  }
  if (worker_) {
    LOG(WARNING) << "the worker did not end in time and is killed";
    kill(worker_->pid, SIGKILL);
    waitpid(worker_->pid, nullptr, 0);
    worker_.reset();
  }
  stopping_worker_ = false;
}

}  // namespace podtap
