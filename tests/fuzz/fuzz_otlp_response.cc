// SPDX-License-Identifier: Apache-2.0
// Fuzzes what a collector may answer: the bodies of both kinds, and Retry-After. Promises that are checked: what gets
// into the log is printable and short, and no wait is longer than an hour.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sidecar/sink/otlp_response.h"

namespace podtap {
namespace {

void Promise(bool kept) {
  if (!kept) std::abort();
}

bool IsForTheLog(const std::string& text) {
  return text.size() <= 200 && std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

}  // namespace
}  // namespace podtap

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace podtap;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const PartialSuccess partial = ParsePartialSuccess(input);
  Promise(IsForTheLog(partial.message));
  Promise(partial.rejected_spans <= INT64_MAX);
  Promise(IsForTheLog(ParseStatusMessage(input)));
  Promise(ParseRetryAfter(input, 1'767'268'801).value_or(0) <= 3600);
  return 0;
}
