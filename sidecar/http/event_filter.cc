// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/event_filter.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "sidecar/http/start_line.h"

namespace podtap {
namespace {

uint64_t SizeBit(size_t size) { return uint64_t{1} << std::min<size_t>(size, 63); }

}  // namespace

EventFilter::EventFilter(std::vector<std::string> ignore_user_agents, std::vector<std::string> redact_headers,
                         ContainerOf container_of)
    : ignore_user_agents_(std::move(ignore_user_agents)),
      redact_headers_(std::move(redact_headers)),
      container_of_(std::move(container_of)) {
  for (const std::string& name : redact_headers_) redact_sizes_ |= SizeBit(name.size());
}

bool EventFilter::Ignores(const HttpEvent& event) const {
  if (ignore_user_agents_.empty() || !event.request.seen) return false;
  const std::string_view agent = event.request.headers.Get("user-agent");
  if (agent.empty()) return false;
  return std::any_of(ignore_user_agents_.begin(), ignore_user_agents_.end(),
                     [agent](const std::string& prefix) { return !prefix.empty() && agent.starts_with(prefix); });
}

void EventFilter::Redact(HttpEvent& event, const Mask& mask) const {
  if (redact_headers_.empty()) return;
  // Only a message that says so can have bent names.
  const bool bent = !event.tags.empty();
  Redact(event.request.headers, bent, mask);
  Redact(event.request.trailers, bent, mask);
  Redact(event.response.headers, bent, mask);
  Redact(event.response.trailers, bent, mask);
}

void EventFilter::Redact(HeaderList& fields, bool bent, const Mask& mask) const {
  std::string straight;
  for (size_t i = 0, n = fields.size(); i < n; ++i) {
    std::string_view name = fields[i].name;
    if (bent && !std::all_of(name.begin(), name.end(), IsTokenChar)) {
      straight.clear();
      std::copy_if(name.begin(), name.end(), std::back_inserter(straight), IsTokenChar);
      name = straight;
    }
    if ((redact_sizes_ & SizeBit(name.size())) == 0) continue;  // most names, on the hot path
    const auto secret = [name](const std::string& other) { return EqualsIgnoreCase(name, other); };
    if (std::any_of(redact_headers_.begin(), redact_headers_.end(), secret))
      fields.SetValue(i, mask.has_key() ? mask(fields[i].value) : "***");
  }
}

const std::string& EventFilter::ContainerOfCgroup(uint64_t cgroup_id, Timestamp now) {
  if (cgroup_id == 0 || !container_of_) return none_;
  const auto found = containers_.find(cgroup_id);
  if (found != containers_.end()) {
    Container& known = found->second;
    if (known.id.empty() && NanosecondsBetween(known.asked, now) >= kAskAgainNs)
      known = {container_of_(cgroup_id), now};
    return known.id;
  }
  if (containers_.size() >= kMaxContainers) containers_.clear();
  return containers_.emplace(cgroup_id, Container{container_of_(cgroup_id), now}).first->second.id;
}

}  // namespace podtap
