// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/body_capture.h"

#include <algorithm>

namespace podtap {
namespace {

constexpr size_t kSmallest = 256;
// A length that the peer announces is believed up to here; larger bodies grow as their bytes come.
constexpr uint64_t kBelievedLength = 65536;

}  // namespace

void BodyCapture::Append(HttpMessage& message, std::string_view data, std::optional<uint64_t> rest, size_t limit,
                         MemoryBudget& budget) {
  message.body_bytes += data.size();
  if (!keeps_more(message, limit)) return;
  std::string& body = message.body;
  const std::string_view kept = data.substr(0, limit - body.size());
  const size_t need = body.size() + kept.size();
  if (need > body.capacity()) {
    const uint64_t announced = need + (rest && *rest <= kBelievedLength ? *rest : 0);
    const uint64_t room = std::max({announced, uint64_t{body.capacity()} * 2, uint64_t{kSmallest}});
    body.reserve(static_cast<size_t>(std::min<uint64_t>(std::max<uint64_t>(room, need), std::max(limit, need))));
    budget.Charge(body.capacity() - charged_);
    charged_ = body.capacity();
  }
  body.append(kept);
}

void BodyCapture::Skip(HttpMessage& message, uint64_t n, bool lost, size_t limit) {
  if (n == 0) return;
  const uint64_t before_limit = message.body_bytes < limit ? limit - message.body_bytes : 0;
  message.missing_bytes += lost ? n : std::min(n, before_limit);
  message.body_bytes += n;
  closed_ = true;
}

size_t BodyCapture::Cut(HttpMessage& message, MemoryBudget& budget) {
  const size_t freed = charged_;
  if (freed == 0) return 0;
  closed_ = true;
  std::string().swap(message.body);
  Release(budget);
  return freed;
}

void BodyCapture::Release(MemoryBudget& budget) {
  budget.Release(charged_);
  charged_ = 0;
}

}  // namespace podtap
