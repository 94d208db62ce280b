// SPDX-License-Identifier: Apache-2.0
#include "sidecar/event/http_event.h"

#include <array>
#include <charconv>

namespace podtap {
namespace {

struct TagInfo {
  std::string_view text;
  std::string_view meaning;
};

constexpr TagInfo kTags[] = {
#define X(enumerator, text, meaning) {text, meaning},
    PODTAP_TAGS(X)
#undef X
};
static_assert(static_cast<unsigned>(Tag::kCount) <= 64, "TagSet holds 64 tags");

template <int base>
void AppendNumber(uint64_t value, std::string& out) {
  std::array<char, 20> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value, base).ptr;
  out.append(digits.data(), static_cast<size_t>(end - digits.data()));
}

}  // namespace

std::string_view TextOf(Tag tag) { return kTags[static_cast<size_t>(tag)].text; }
std::string_view MeaningOf(Tag tag) { return kTags[static_cast<size_t>(tag)].meaning; }

HttpEventPtr WithoutBodies(const HttpEvent& event) {
  auto copy = std::make_shared<HttpEvent>(event);
  // An assignment would keep the memory.
  std::string().swap(copy->request.body);
  std::string().swap(copy->response.body);
  copy->tags.Add(Tag::kBodiesDropped);
  return copy;
}

void AppendEventId(const HttpEvent& event, std::string_view run_id, std::string& out) {
  out.append(run_id) += '-';
  AppendNumber<16>(event.connection.id.value, out);
  out += '-';
  AppendNumber<10>(event.exchange, out);
}

}  // namespace podtap
