// SPDX-License-Identifier: Apache-2.0
#include "webhook/reasons.h"

namespace podtap::webhook {
namespace {

struct Row {
  std::string_view text;
  bool injects;
  std::string_view sentence;
};
constexpr Row kRows[] = {
#define X(enumerator, text, injects, sentence) {text, injects, sentence},
    PODTAP_REASONS(X)
#undef X
};
const Row& RowOf(Reason reason) { return kRows[static_cast<size_t>(reason)]; }

}  // namespace

std::string_view TextOf(Reason reason) { return RowOf(reason).text; }
std::string_view SentenceOf(Reason reason) { return RowOf(reason).sentence; }
bool Injects(Reason reason) { return RowOf(reason).injects; }

}  // namespace podtap::webhook
