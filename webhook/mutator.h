// SPDX-License-Identifier: Apache-2.0
// Mutator: one review's body in, one answer's body out. Never throws, never blocks, safe to call from several threads.
// Whenever a uid can be read the answer is 200 and allowed; without one it is 400.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "webhook/injector_config.h"
#include "webhook/namespaces.h"
#include "webhook/webhook_metrics.h"

namespace podtap::webhook {

struct MutateAnswer {
  unsigned status = 200;
  std::string body;
};

class Mutator {
 public:
  // All must outlive the mutator.
  Mutator(const InjectorConfig& config, const NamespaceSource& namespaces, WebhookMetrics& metrics)
      : config_(config), namespaces_(namespaces), metrics_(metrics) {}

  // A whole body, in blocks.
  MutateAnswer Mutate(std::span<const std::string_view> body) const;
  // A body that was not kept, for `reason`: only its uid is known, or not even that.
  MutateAnswer AllowUnread(const std::string& uid, Reason reason) const { return Unchanged(uid, reason); }

 private:
  MutateAnswer MutateOrThrow(std::span<const std::string_view> body) const;
  MutateAnswer Unchanged(const std::string& uid, Reason reason) const;

  const InjectorConfig& config_;
  const NamespaceSource& namespaces_;
  WebhookMetrics& metrics_;
};

}  // namespace podtap::webhook
