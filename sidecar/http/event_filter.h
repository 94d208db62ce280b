// SPDX-License-Identifier: Apache-2.0
// EventFilter: the last hand on an exchange before it is shared: leaves out what the operator does not want to see,
// masks secrets, and adds what only the process knows (container id). Owned by the SessionTable.
#pragma once

#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "sidecar/event/http_event.h"
#include "sidecar/policy/mask.h"

namespace podtap {

class EventFilter {
 public:
  using ContainerOf = std::function<std::string(uint64_t cgroup_id)>;
  EventFilter(std::vector<std::string> ignore_user_agents, std::vector<std::string> redact_headers,
              ContainerOf container_of);

  // Whether the request's User-Agent begins with an ignored prefix.
  bool Ignores(const HttpEvent& event) const;
  // Values of the named fields, in headers and trailers of both messages, become what `mask` makes of them: "***".
  void Redact(HttpEvent& event, const Mask& mask) const;
  // Asks once per cgroup id; while the answer is empty again every ten seconds, for it may be known later.
  const std::string& ContainerOfCgroup(uint64_t cgroup_id, Timestamp now);

 private:
  static constexpr size_t kMaxContainers = 256;
  static constexpr uint64_t kAskAgainNs = 10'000'000'000;
  struct Container {
    std::string id;
    Timestamp asked;
  };
  // `bent`: names may hold bytes that do not belong there; they are compared without those.
  void Redact(HeaderList& fields, bool bent, const Mask& mask) const;

  const std::vector<std::string> ignore_user_agents_;
  const std::vector<std::string> redact_headers_;
  uint64_t redact_sizes_ = 0;  // bit n: a name of n bytes (63: or more) is among them
  const ContainerOf container_of_;
  std::unordered_map<uint64_t, Container> containers_;
  std::string none_;
};

}  // namespace podtap
