// SPDX-License-Identifier: Apache-2.0
// The attacher process: finds the cgroup, loads and attaches BPF, opens what the worker needs, and watches over the
// worker. It keeps its privilege and never looks at traffic; it has one thread. When it dies, by SIGKILL too, the
// kernel detaches the programs and ends the worker.
//
// `podtap-sidecar` runs one for the life of its container, `podtap run` one for the life of a command.
#pragma once

#include <sys/signalfd.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "sidecar/admin/shared_state.h"
#include "sidecar/capture/cgroup_finder.h"
#include "sidecar/capture/container_names.h"
#include "sidecar/capture/packet_capture.h"
#include "sidecar/config.h"
#include "sidecar/config_follower.h"
#include "sidecar/control.h"

namespace podtap {

class Attacher {
 public:
  struct Options {
    // Called once, when capture runs: the first time the programs are attached and the worker reads. An error ends
    // Run().
    std::function<Status()> on_attached;
    // Run() ends as on SIGTERM when this descriptor becomes readable; -1 = never.
    int end_when_readable = -1;
    // Gets SIGINT and SIGTERM instead of ending Run().
    std::function<void(const signalfd_siginfo&)> on_signal;
    // The caller made the target, so that it is no pod's needs no warning.
    bool target_is_ours = false;
    // A configuration that cannot be used: stay up without capturing and say why (only with keep_running).
    std::optional<Error> broken_configuration;
    // What a changed file of --config_file makes of the command line; null: it is not followed.
    ConfigFollower::Parse parse;
    std::optional<std::string> file_text;  // what it held when the configuration was made
  };

  Attacher(Config config, Options options);
  ~Attacher();
  // Runs until told to end. Returns the process's exit status, or why it could not begin.
  Result<int> Run();
  // Set when Run() ended because the file that made the configuration unusable was mended.
  const std::optional<Config>& mended() const { return mended_; }
  // What the configuration file held when it could be read last.
  const std::optional<std::string>& file_text() const { return file_.text(); }

 private:
  struct Worker;
  Status Prepare();
  Status TryAttach();
  Status StartWorker();
  void StopWorker(bool flush);
  void OnSignal(const signalfd_siginfo& signal);
  void OnControl();
  void OnSeccomp(short revents);
  void CountViolation(const std::string& what);
  void OnWorkerEnd(int status);
  void ReapChildren();
  void SkipPoison();
  void OnReady();
  void OnUnreadyEnd(const std::string& how);
  void Tell(ControlKind kind);
  void Answer(uint64_t id, const Status& status, int descriptor = -1, std::string_view text = {});
  void SetMode(Mode mode);
  void FollowAnnotation();
  Mode WantedMode() const;
  void FollowConfigFile();
  void TakeOver(const Config& wanted);
  Status ReplaceWorker(const Config& next);
  void TellConfig();
  Status OpenSinks(const Config& config, std::vector<UniqueFd>& opened);
  void Fail(const Error& error);
  void BeginEnd();
  bool Drained() const;
  int TimeoutMs() const;

  Config config_;
  const Options options_;
  ConfigFollower file_;
  std::optional<Config> mended_;
  uint64_t workers_before_ = 0;  // that read the ring
  SharedState* shared_ = nullptr;
  std::unique_ptr<Opener> opener_;
  // By sink, what was opened to see whether it can be: for the worker that asks first. (Opened only to be closed again,
  // a pipe would tell its reader that all is over.)
  std::vector<UniqueFd> opened_sinks_;
  UniqueFd signals_;
  std::vector<UniqueFd> admin_listeners_;
  std::optional<CgroupTarget> target_;
  std::unique_ptr<ContainerNames> containers_;
  std::unique_ptr<PacketCapture> capture_;
  std::unique_ptr<Worker> worker_;
  std::string annotation_;  // the annotation file's value when it was read last
  bool announced_ = false;
  bool warned_ = false;
  bool ending_ = false;
  std::optional<Timestamp> draining_until_;  // told to end, waiting for the applications
  std::unordered_set<uint64_t> talkers_;     // ids of cgroups that exchanges were told of
  bool stopping_worker_ = false;             // inside StopWorker(): its end is no accident
  std::optional<Error> error_;               // ends Run()
  std::string last_failure_;                 // said in the log
  Timestamp next_attempt_;
  uint64_t attempt_backoff_ms_ = 0;
  Timestamp next_worker_;
  uint64_t worker_backoff_ms_ = 0;
  int unready_workers_ = 0;          // in a row, that ended before they began
  std::optional<uint64_t> died_at_;  // ring position of the record at which the last worker died
};

}  // namespace podtap
