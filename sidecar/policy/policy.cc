// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/policy.h"

#include <algorithm>
#include <utility>

#include "sidecar/policy/redact_pairs.h"

namespace podtap {
namespace {

// Headers whose value is a URL, which may be the one with the secret.
constexpr std::string_view kUrlHeaders[] = {"referer",        "location",        "content-location",
                                            "x-original-url", "x-forwarded-uri", "x-original-uri"};

}  // namespace

Policy::Policy(PolicySettings settings, Counters& counters)
    : counters_(counters),
      mask_(std::move(settings.hash_key)),
      query_(std::move(settings.redact_query)),
      filter_(std::move(settings.filter)),
      sampler_(settings.sample_rate, settings.max_exchanges_per_second),
      bodies_(std::move(settings.bodies), mask_, counters) {}

bool Policy::Admits(const HttpEvent& event) {
  auto reason = filter_.LeavesOut(event);
  if (!reason) reason = sampler_.LeavesOut(event);
  if (!reason) return true;
  counters_.Add(*reason);
  return false;
}

void Policy::ApplyToUrls(HttpEvent& event) const {
  if (query_.empty()) return;
  RedactUrl(query_, mask_, event.target);
  RedactUrls(event.request.headers);
  RedactUrls(event.response.headers);
}

void Policy::ApplyToBodies(HttpEvent& event) const {
  if (bodies_.idle()) return;
  bodies_.Apply(event, event.request);
  bodies_.Apply(event, event.response);
}

void Policy::RedactUrls(HeaderList& fields) const {
  for (size_t i = 0; i < fields.size(); ++i) {
    const auto [name, value] = fields[i];
    const auto is = [name](std::string_view one) { return EqualsIgnoreCase(one, name); };
    if (value.find_first_of("?#") == std::string_view::npos ||
        std::none_of(std::begin(kUrlHeaders), std::end(kUrlHeaders), is))
      continue;
    std::string url(value);
    if (RedactUrl(query_, mask_, url)) fields.SetValue(i, url);
  }
}

}  // namespace podtap
