// SPDX-License-Identifier: Apache-2.0
// ControlClient: the worker's end of the control socket. One thread reads it, hands answers to the thread that asked
// and calls back for what the attacher says by itself. Also the Opener that sinks get: it asks the attacher for
// descriptors.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "sidecar/control.h"
#include "sidecar/sink/otlp_options.h"
#include "sidecar/sink/sink.h"

namespace podtap {

// What a descriptor that the attacher sent gives, at most 4 MiB.
Result<std::string> ReadDescriptor(int descriptor);

class ControlClient {
 public:
  using OnMessage = std::function<void(ControlKind kind, UniqueFd descriptor)>;
  // `socket` is borrowed. `on_message` gets what the attacher says by itself, in the client's thread; it is called with
  // kStop, too, when the attacher is gone.
  ControlClient(int socket, OnMessage on_message);
  ~ControlClient();

  // Sends a request and waits for its answer, at most 10 s. Thread-safe.
  Result<ReceivedControl> Call(ControlKind kind, uint64_t value, int descriptor = -1);
  // The content of a file that the attacher opens, at most 4 MiB.
  Result<std::string> ReadFile(NamedFile file);
  // Sends without waiting. Thread-safe.
  void Tell(ControlKind kind, uint64_t value, int descriptor = -1);
  // The container id of a cgroup, or empty.
  std::string ContainerOf(uint64_t cgroup_id);

 private:
  void Read();
  const int socket_;
  const OnMessage on_message_;
  std::mutex mutex_;
  std::condition_variable answered_;
  uint64_t next_id_ = 1;
  std::map<uint64_t, std::optional<ReceivedControl>> waiting_;  // by request id; empty until the answer is there
  bool gone_ = false;
  std::thread thread_;
};

// An Opener that asks the attacher; knows sinks by their index in `sinks`.
class ControlOpener final : public Opener {
 public:
  ControlOpener(ControlClient& control, std::vector<SinkAddress> sinks) : control_(control), sinks_(std::move(sinks)) {}
  Result<UniqueFd> Open(const SinkAddress& address) override;
  Status Rotate(const SinkAddress& address) override;

 private:
  Result<ReceivedControl> Ask(ControlKind kind, const SinkAddress& address);
  ControlClient& control_;
  const std::vector<SinkAddress> sinks_;
};

}  // namespace podtap
