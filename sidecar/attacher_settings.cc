// SPDX-License-Identifier: Apache-2.0
// Of the attacher: mode and configuration, as they change while it runs.
#include "sidecar/attacher_parts.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <sys/mman.h>
#include <unistd.h>

#include <utility>

#include "sidecar/config_change.h"
#include "sidecar/named_files.h"
#include "sidecar/sink/sink.h"
#include "sidecar/start_log.h"

namespace podtap {
namespace {

// The reader behind a socket may start after us.
bool MayAppear(const SinkAddress& sink) { return sink.is_socket() || sink.kind == SinkAddress::Kind::kOtlp; }

}  // namespace

std::string ReadSmallFile(const std::string& path) {
  const UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char text[64];
  const ssize_t size = fd ? read(fd.get(), text, sizeof(text)) : 0;
  std::string_view value(text, size > 0 ? static_cast<size_t>(size) : 0);
  while (value.ends_with('\n') || value.ends_with(' ')) value.remove_suffix(1);
  return std::string(value);
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

}  // namespace podtap
