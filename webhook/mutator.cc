// SPDX-License-Identifier: Apache-2.0
#include "webhook/mutator.h"

#include <glog/logging.h>

#include <algorithm>
#include <exception>

#include "webhook/admission_review.h"
#include "webhook/inject.h"
#include "webhook/pod_settings.h"
#include "webhook/review_memory.h"

namespace podtap::webhook {
namespace {

// A document of real pods takes less than six times its text; the limit bounds what a hostile one can.
size_t MemoryLimitFor(size_t body_bytes) {
  constexpr size_t kLeast = 1 << 20, kMost = 40 << 20, kTimes = 8;
  return std::min(kMost, kLeast + kTimes * body_bytes);
}

// "namespace/name", for the log. A pod of a ReplicaSet has no name yet.
std::string NameOf(const ReviewRequest& request) {
  const json::object* metadata = ObjectMember(request.pod->if_object(), "metadata");
  std::string name(TextMember(metadata, "name"));
  if (name.empty()) name = std::string(TextMember(metadata, "generateName")) + "*";
  return Printable(request.namespace_name, 63) + "/" + Printable(name, 253);
}

void LogOutcome(const ReviewRequest& request, const Outcome& outcome) {
  const Decision& decision = outcome.decision;
  if (Injects(decision.reason) && decision.reason != Reason::kHealed)
    LOG(INFO) << "injected " << NameOf(request) << ": " << TextOf(decision.reason) << ", mode " << decision.mode << " ("
              << TextOf(decision.mode_from) << ")";
  else if (decision.asked || outcome.has_patch || decision.reason == Reason::kPatchFailed)
    LOG(INFO) << "skipped " << NameOf(request) << ": " << TextOf(decision.reason) << " ("
              << Printable(decision.decided_by, 100) << ")";
  else
    VLOG(1) << "skipped " << NameOf(request) << ": " << TextOf(decision.reason);
}

// Whether the cluster is told that a pod goes without: it asked, and nothing but us kept it from being captured.
bool IsToldAbout(const Decision& decision) {
  return decision.asked && !decision.inject && decision.reason != Reason::kHealed &&
         decision.reason != Reason::kAlreadyInjected && decision.reason != Reason::kOtherRevision &&
         decision.reason != Reason::kStaticPod;
}

SkippedPod SkippedOf(const json::object& pod, const std::string& namespace_name, const Decision& decision) {
  SkippedPod skipped;
  skipped.namespace_name = namespace_name;
  skipped.pod_name = TextMember(ObjectMember(&pod, "metadata"), "name");
  skipped.reason = decision.reason;
  skipped.decided_by = decision.decided_by;
  const json::array* owners = ArrayMember(ObjectMember(&pod, "metadata"), "ownerReferences");
  for (size_t i = 0; owners != nullptr && i < owners->size(); ++i) {
    const json::object* owner = (*owners)[i].if_object();
    const json::value* controller = Member(owner, "controller");
    if (controller == nullptr || !controller->is_bool() || !controller->get_bool()) continue;
    skipped.owner_api_version = TextMember(owner, "apiVersion");
    skipped.owner_kind = TextMember(owner, "kind");
    skipped.owner_name = TextMember(owner, "name");
    skipped.owner_uid = TextMember(owner, "uid");
  }
  return skipped;
}

}  // namespace

MutateAnswer Mutator::Unchanged(const std::string& uid, Reason reason) const {
  if (uid.empty()) {
    metrics_.requests_bad.fetch_add(1, std::memory_order_relaxed);
    return {400, "the body holds no AdmissionReview with a request.uid\n"};
  }
  metrics_.CountDecision(reason);
  metrics_.requests_ok.fetch_add(1, std::memory_order_relaxed);
  ReviewAnswer answer{
      .uid = uid, .patch = {}, .warnings = {}, .audit_annotations = {{"reason", std::string(TextOf(reason))}}};
  return {200, WriteAnswer(answer)};
}

MutateAnswer Mutator::Mutate(std::span<const std::string_view> body, bool may_look) const {
  try {
    return MutateOrThrow(body, may_look);
  } catch (const std::exception& error) {
    LOG(ERROR) << "answering a review: " << error.what();
  }
  try {
    return AllowUnread(ReadUid(body), Reason::kInternalError);
  } catch (const std::exception& error) {
    LOG(ERROR) << "reading a uid: " << error.what();
    return {400, "the body could not be read\n"};
  }
}

MutateAnswer Mutator::MutateOrThrow(std::span<const std::string_view> body, bool may_look) const {
  size_t bytes = 0;
  for (const std::string_view block : body) bytes += block.size();
  ReviewMemory memory(MemoryLimitFor(bytes));
  ParsedReview review = ParseReview(body, &memory);
  if (review.outcome != ParsedReview::Outcome::kOk) {
    LOG_EVERY_T(WARNING, 1) << "a review was not understood: " << review.error;
    return Unchanged(review.uid,
                     review.outcome == ParsedReview::Outcome::kTooLarge ? Reason::kTooLarge : Reason::kBadReview);
  }
  auto request = RequestOf(review.document);
  if (!request) return Unchanged(review.uid, Reason::kBadReview);
  if (review.uid.empty() || !request->is_pod_create) return Unchanged(review.uid, Reason::kNotPodCreate);

  const auto namespace_info = request->namespace_name.empty() ? nullptr : namespaces_.Find(request->namespace_name);
  // Names inside the document move when the patch is applied to it.
  const std::string namespace_name(request->namespace_name);
  request->namespace_name = namespace_name;
  LiveFacts live;
  const json::object* pod = request->pod->if_object();
  if (live_ != nullptr && pod != nullptr) {
    Lookup lookup;
    if (may_look && live_->WorthLookup(*pod, namespace_name, namespace_info != nullptr, lookup))
      return {0, {}, std::move(lookup)};
    live = live_->FactsFor(*pod, namespace_name);
  }
  Outcome outcome =
      Inject(*request->pod, namespace_name, namespace_info.get(), config_, live_ == nullptr ? nullptr : &live);
  LogOutcome(*request, outcome);
  metrics_.CountDecision(outcome.decision.reason);
  if (IsToldAbout(outcome.decision)) {
    metrics_.CountSkipped(outcome.decision.reason);
    if (live_ != nullptr && pod != nullptr && !request->dry_run)
      live_->TellSkipped(SkippedOf(*pod, namespace_name, outcome.decision));
  }
  metrics_.requests_ok.fetch_add(1, std::memory_order_relaxed);
  metrics_.warnings.fetch_add(outcome.warnings.size(), std::memory_order_relaxed);
  ReviewAnswer answer;
  answer.uid = std::move(review.uid);
  if (outcome.has_patch) answer.patch = PatchText(outcome.operations);
  answer.warnings = std::move(outcome.warnings);
  answer.audit_annotations = {{"reason", std::string(TextOf(outcome.decision.reason))},
                              {"result", Injects(outcome.decision.reason) ? "injected" : "skipped"}};
  return {200, WriteAnswer(answer)};
}

}  // namespace podtap::webhook
