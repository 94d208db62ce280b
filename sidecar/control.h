// SPDX-License-Identifier: Apache-2.0
// The control socket between attacher and worker: a SOCK_SEQPACKET pair that carries messages of one fixed size, each
// with at most one descriptor. The worker may be in the hands of an attacker: it names things by index or number, never
// by path, and the attacher checks every field.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "base/result.h"
#include "base/unique_fd.h"
#include "sidecar/sink/sink.h"

namespace podtap {

enum class ControlKind : uint32_t {
  // worker -> attacher
  kOpenSink = 1,     // value: index of the sink; answered by kReply with the descriptor
  kRotateSink,       // value: index of the sink; answered by kReply
  kContainerOf,      // value: cgroup id; answered by kReply with the container id in text
  kSetMode,          // value: Mode; answered by kReply when it is in force
  kSeccompListener,  // carries the descriptor on which the kernel reports refused system calls
  kOpenFile,         // value: NamedFile; answered by kReply with the descriptor, read-only
  kIgnoreSocket,     // carries a socket that is not connected yet, whose traffic is podtap's own; answered by kReply
  kReady,            // in its sandbox, with its sinks; it begins to read
  // attacher -> worker
  kReply = 64,  // id of the request; error 0 or an exit code of Error, with its message in text
  kReopen,      // SIGHUP: close and open the file sinks
  kLookAtMode,  // the mode in the shared page is another
  kStop,        // read the ring to its end, emit, flush, exit
  kNewConfig,   // carries the text of the configuration file that is to be followed now, read-only
};

struct ControlMessage {
  ControlKind kind = ControlKind::kReply;
  uint32_t error = 0;
  uint64_t id = 0;
  uint64_t value = 0;
  char text[232] = {};  // NUL-terminated

  void SetText(std::string_view value_text);
  std::string_view Text() const;
};
static_assert(sizeof(ControlMessage) == 256);

struct ControlPair {
  UniqueFd attacher;
  UniqueFd worker;
};
Result<ControlPair> MakeControlPair();

// Sends one message and a copy of `descriptor` (or none, -1). Fails when the other side is gone.
Status SendControl(int socket, const ControlMessage& message, int descriptor = -1);

struct ReceivedControl {
  ControlMessage message;
  UniqueFd descriptor;
};
// Waits for one message. Empty: the other side is gone, or sent something that is not a message.
std::optional<ReceivedControl> ReceiveControl(int socket);

// Whether a worker's kRotateSink is to be followed: a worker in the hands of an attacher may ask for anything. Only a
// regular file with something in it, and only where rotation was configured.
Status MayRotate(const SinkAddress& sink, uint64_t file_max_bytes);

}  // namespace podtap
