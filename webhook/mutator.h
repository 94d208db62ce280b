// SPDX-License-Identifier: Apache-2.0
// Mutator: one review's body in, one answer's body out. Never throws, never blocks, safe to call from several threads.
// Whenever a uid can be read the answer is 200 and allowed; without one it is 400.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "webhook/injector_config.h"
#include "webhook/live_source.h"
#include "webhook/namespaces.h"
#include "webhook/webhook_metrics.h"

namespace podtap::webhook {

struct MutateAnswer {
  unsigned status = 200;
  std::string body;
  // Set: there is no answer yet, and it would be a better one after this look-up; then ask again with `may_look` false.
  std::optional<Lookup> lookup{};
};

class Mutator {
 public:
  // All must outlive the mutator. `live` may be nullptr: there is no cluster.
  Mutator(const InjectorConfig& config, const NamespaceSource& namespaces, WebhookMetrics& metrics,
          LiveSource* live = nullptr)
      : config_(config), namespaces_(namespaces), metrics_(metrics), live_(live) {}

  // A whole body, in blocks.
  MutateAnswer Mutate(std::span<const std::string_view> body, bool may_look = false) const;
  // A body that was not kept, for `reason`: only its uid is known, or not even that.
  MutateAnswer AllowUnread(const std::string& uid, Reason reason) const { return Unchanged(uid, reason); }

 private:
  MutateAnswer MutateOrThrow(std::span<const std::string_view> body, bool may_look) const;
  MutateAnswer Unchanged(const std::string& uid, Reason reason) const;

  const InjectorConfig& config_;
  const NamespaceSource& namespaces_;
  WebhookMetrics& metrics_;
  LiveSource* const live_;
};

}  // namespace podtap::webhook
