// SPDX-License-Identifier: Apache-2.0
#include "base/counters.h"

namespace podtap {
namespace {

constexpr std::array<CounterInfo, kCounterCount> kInfo = {{
#define X(enumerator, name, label, help) {name, label, help},
    PODTAP_COUNTERS(X)
#undef X
}};

}  // namespace

const CounterInfo& InfoOf(Counter counter) { return kInfo[static_cast<size_t>(counter)]; }

}  // namespace podtap
