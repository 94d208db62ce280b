// SPDX-License-Identifier: Apache-2.0
#include "sidecar/attacher.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <thread>
#include <utility>

#include "base/http_server.h"
#include "base/json_line.h"
#include "sidecar/config_change.h"
#include "sidecar/memory_pressure.h"
#include "sidecar/named_files.h"
#include "sidecar/sandbox.h"
#include "sidecar/sink/sink.h"
#include "sidecar/start_log.h"
#include "sidecar/target_processes.h"
#include "sidecar/worker.h"

namespace podtap {
namespace {

constexpr uint64_t kMillisecond = 1'000'000;
constexpr uint64_t kFirstBackoffMs = 1000, kLastBackoffMs = 60'000;           // between attempts to attach
constexpr uint64_t kFirstWorkerBackoffMs = 10, kLastWorkerBackoffMs = 5'000;  // between two workers
constexpr uint64_t kWorkerIsFineAfterNs = 10'000 * kMillisecond;
constexpr int kUnreadyWorkers = 3;  // so many in a row end before they begin: capture does not work here
constexpr int kCgroupPollMs = 200;
constexpr uint64_t kDrainPollMs = 50;
constexpr size_t kMaxTalkers = 4096;
// Beside the ring: 13 MiB were measured while the kernel verifies the programs, 4 MiB afterwards.
constexpr uint64_t kMemoryToAttach = 16 << 20;

Timestamp In(uint64_t ms) { return Timestamp{MonotonicNow().ns + ms * kMillisecond}; }

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

// The line that operators of earlier agents look for. Mode: 0 ingress, 1 egress, 2 both.
std::string AddedPodJson(const Config& config, Mode mode) {
  JsonLine line;
  line.Text("Name", config.identity.pod).Text("Namespace", config.identity.namespace_name);
  line.Text("Service", config.identity.service).Bool("Enabled", mode != Mode::kOff);
  line.Number("Mode", static_cast<uint64_t>(std::min(mode, Mode::kAll)));
  return line.Finish();
}

std::string InMiB(uint64_t bytes) { return std::to_string(bytes >> 20) + " MiB"; }

// The reader behind a socket may start after us.
bool MayAppear(const SinkAddress& sink) { return sink.is_socket() || sink.kind == SinkAddress::Kind::kOtlp; }

// The trimmed first bytes of a small file; empty if it cannot be read.
std::string ReadSmallFile(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[64];
  const ssize_t size = fd ? read(fd.get(), text, sizeof(text)) : 0;
  std::string_view value(text, size > 0 ? static_cast<size_t>(size) : 0);
  while (value.ends_with('\n') || value.ends_with(' ')) value.remove_suffix(1);
  return std::string(value);
}

}  // namespace

struct Attacher::Worker {
  pid_t pid = -1;
  UniqueFd control;
  UniqueFd seccomp;
  bool sent_listener = false;
  bool ready = false;
  Timestamp started;
};

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
        next_worker_ = In(kLastWorkerBackoffMs);
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
    timeout = std::min(timeout, t.ns > now ? (t.ns - now) / kMillisecond + 1 : uint64_t{0});
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

void Attacher::SetMode(Mode mode) {
  if (shared_->mode == static_cast<uint32_t>(mode)) return;
  shared_->mode_since_ns = MonotonicNow().ns;
  shared_->mode = static_cast<uint32_t>(mode);
  if (capture_) {
    if (Status ok = capture_->SetMode(static_cast<int>(mode)); !ok) LOG(ERROR) << ok.error().message;
  }
  Tell(ControlKind::kLookAtMode);
  LOG(INFO) << "mode is now " << TextOf(mode);
}

Mode Attacher::WantedMode() const {
  if (config_.annotation_file.empty()) return config_.mode;
  return ParseMode(annotation_).value_or(config_.mode);
}

// The kubelet replaces the file by renaming ..data, so it is opened by name each time. Only a change of its value
// counts: what PUT /mode set stays until then.
void Attacher::FollowAnnotation() {
  if (config_.annotation_file.empty()) return;
  std::string value = ReadSmallFile(config_.annotation_file);
  if (value == annotation_) return;
  annotation_ = std::move(value);
  if (!annotation_.empty() && !ParseMode(annotation_))
    LOG(WARNING) << "the mode annotation '" << annotation_ << "' is not known; use ingress, egress, all or off";
  SetMode(WantedMode());
}

// ---- the configuration file

// Sinks that may appear later are not looked at. `opened` keeps what it has.
Status Attacher::OpenSinks(const Config& config, std::vector<UniqueFd>& opened) {
  opened.resize(config.sinks.size());
  for (size_t i = 0; i < config.sinks.size(); ++i) {
    if (MayAppear(config.sinks[i].address) || opened[i]) continue;
    auto sink = opener_->Open(config.sinks[i].address);
    if (!sink) return std::unexpected(sink.error());
    opened[i] = *std::move(sink);
  }
  return {};
}

void Attacher::FollowConfigFile() {
  if (draining_until_ || ending_) return;
  auto changed = file_.Look();
  if (!changed) return;
  if (!*changed) {
    shared_->config_reload_failures.fetch_add(1);
    LOG(ERROR) << "the new configuration is not taken over: " << changed->error().message;
    if (options_.broken_configuration) Fail(changed->error());
    return;
  }
  if (options_.broken_configuration) {
    LOG(INFO) << "the configuration file was mended";
    mended_ = **std::move(changed);
    ending_ = true;
    return;
  }
  TakeOver(**changed);
}

void Attacher::TakeOver(const Config& wanted) {
  Config same_run = wanted;
  same_run.identity.run_id = config_.identity.run_id;
  if (options_.target_is_ours) same_run.target = config_.target;
  const ConfigChange change = ChangeOf(config_, same_run);
  const Mode mode = config_.mode;
  if (change.worker) {
    if (Status ok = ReplaceWorker(change.next); !ok) {
      shared_->config_reload_failures.fetch_add(1);
      LOG(ERROR) << "the new configuration is not taken over: " << ok.error().message;
      return;
    }
  } else if (change.live) {
    config_ = change.next;
    TellConfig();
  }
  shared_->config_reloads.fetch_add(1);
  SetLogLevel(config_.log_level);
  if (config_.mode != mode) SetMode(WantedMode());
  LOG(INFO) << "the configuration file was read again: " << config_.Json();
  for (const std::string& flag : change.later) LOG(WARNING) << "a new " << flag << " holds from the next start on";
}

// Sinks and limits are the worker's from its beginning on. What is unfinished is emitted as it is; the ring holds what
// comes meanwhile.
Status Attacher::ReplaceWorker(const Config& next) {
  std::vector<UniqueFd> opened;
  if (Status ok = OpenSinks(next, opened); !ok) return ok;
  if (Status ok = CheckNamedFiles(next); !ok) return ok;
  if (worker_ && capture_) ++workers_before_;
  StopWorker(/*flush=*/true);
  shared_->RenameSinks(config_.SinkNames(), next.SinkNames());
  config_ = next;
  opened_sinks_ = std::move(opened);
  next_worker_ = Timestamp{};
  return {};
}

void Attacher::TellConfig() {
  if (!worker_) return;
  const UniqueFd text(memfd_create("podtap-configuration", MFD_CLOEXEC));
  const std::string content = file_.text().value_or("");
  if (!text || write(text.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()) ||
      lseek(text.get(), 0, SEEK_SET) != 0) {
    LOG(ERROR) << "the worker cannot be told of the new configuration: " << ErrnoError("memory file").error().message;
    return;
  }
  ControlMessage message;
  message.kind = ControlKind::kNewConfig;
  (void)SendControl(worker_->control.get(), message, text.get());
}

// ---- signals and the worker's end

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
