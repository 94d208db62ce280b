// SPDX-License-Identifier: Apache-2.0
// Why BPF said no, as one line that says what to do. Used by PacketCapture only.
#pragma once

#include <string>

#include <linux/bpf.h>

#include "base/result.h"

namespace podtap {

// Collects what libbpf warns about on this thread while it lives, instead of libbpf writing it to stderr.
class LibbpfMessages {
 public:
  LibbpfMessages();
  ~LibbpfMessages();
  LibbpfMessages(const LibbpfMessages&) = delete;
  LibbpfMessages& operator=(const LibbpfMessages&) = delete;
  // The last line, for an error that has no better explanation.
  std::string last() const;
};

// `error`: a positive errno of loading the programs or making the maps.
std::unexpected<Error> ExplainLoad(int error, const std::string& libbpf_said);
// `error`: a positive errno of attaching `program` as `type` to the cgroup.
std::unexpected<Error> ExplainAttach(int error, int cgroup_fd, bpf_attach_type type, const std::string& program);
// Capabilities that BPF needs and this process does not have, e.g. "CAP_BPF, CAP_NET_ADMIN"; empty if it has them all.
std::string MissingCapabilities();

}  // namespace podtap
