// SPDX-License-Identifier: Apache-2.0
// Any body of a review, cut into blocks anywhere: the answer is 200 with the uid and a patch that applies and needs no
// second one, or 400. The first byte says how long the blocks are, the second which configuration.
#include <glog/logging.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "webhook/admission_review.h"
#include "webhook/inject.h"
#include "webhook/mutator.h"
#include "webhook/namespaces_file.h"

namespace podtap::webhook {
namespace {

void Require(bool holds) {
  if (!holds) abort();
}

std::string DecodeBase64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int have = 0;
  for (const char c : text) {
    if (c == '=') break;
    const int value = c >= 'A' && c <= 'Z'   ? c - 'A'
                      : c >= 'a' && c <= 'z' ? c - 'a' + 26
                      : c >= '0' && c <= '9' ? c - '0' + 52
                      : c == '+'             ? 62
                                             : 63;
    bits = bits << 6 | static_cast<uint32_t>(value);
    if ((have += 6) >= 8) out += static_cast<char>(bits >> (have -= 8) & 255);
  }
  return out;
}

InjectorConfig ConfigFrom(uint8_t choice) {
  InjectorConfig config;
  config.image = "podtap-sidecar:fuzz";
  config.mirror_all_namespaces = choice & 1;
  config.injection = choice & 2 ? Injection::kContainer : Injection::kNative;
  config.run_as_privileged = choice & 4;
  config.tls_capture = choice & 8;
  config.named_sinks["collector"] = "unix:/var/run/collector/podtap.sock";
  return config;
}

// The patch that was sent, applied to the pod that the plain parser sees.
void CheckPatch(std::string_view body, std::string_view patch_text, const InjectorConfig& config) {
  json::parse_options options;
  options.max_depth = kMaxJsonDepth;
  json::value review = json::parse(body, {}, options);
  auto request = RequestOf(review);
  Require(request && request->is_pod_create);
  const std::string namespace_name(request->namespace_name);
  json::value& pod = *request->pod;
  const json::value patch = json::parse(DecodeBase64(patch_text), {}, options);
  Require(!patch.as_array().empty());
  for (const json::value& operation : patch.as_array()) {
    Require(operation.at("op") == "add");
    Require(ApplyAdd(pod, {json::value_to<std::string>(operation.at("path")), operation.at("value")}));
  }
  const NamespaceInfo info;
  const Outcome again = Inject(pod, namespace_name, namespace_name.empty() ? nullptr : &info, config);
  Require(!again.has_patch || again.decision.reason == Reason::kPatchFailed);
}

}  // namespace
}  // namespace podtap::webhook

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  FLAGS_minloglevel = google::GLOG_FATAL;
  FLAGS_logtostderr = true;
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace podtap::webhook;
  if (size < 2) return 0;
  const size_t block = data[0] == 0 ? size : data[0];
  const InjectorConfig config = ConfigFrom(data[1]);
  const std::string_view body(reinterpret_cast<const char*>(data) + 2, size - 2);
  std::vector<std::string_view> blocks;
  for (size_t at = 0; at < body.size(); at += block) blocks.push_back(body.substr(at, block));

  const NamespacesFile namespaces("");
  WebhookMetrics metrics;
  const Mutator mutator(config, namespaces, metrics);
  const MutateAnswer answer = mutator.Mutate(blocks);
  Require(answer.status == 200 || answer.status == 400);
  if (answer.status == 200) {
    const json::value review = json::parse(answer.body);
    const json::value& response = review.at("response");
    Require(response.at("allowed").as_bool());
    Require(!response.at("uid").as_string().empty());
    Require(response.as_object().contains("patch") == response.as_object().contains("patchType"));
    if (const json::value* patch = response.as_object().if_contains("patch"))
      CheckPatch(body, {patch->as_string().data(), patch->as_string().size()}, config);
  }
  const std::string_view beginning = body.substr(0, 1024);
  (void)ReadUid({&beginning, 1});
  return 0;
}
