// SPDX-License-Identifier: Apache-2.0
// Reason: why a pod gets the sidecar or does not. Every answer carries exactly one; it is what users read in the status
// annotation, in warnings, in `podtap explain` and as a label of podtap_webhook_decisions_total. docs/operations.md
// lists the same rows; a test compares.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace podtap::webhook {

// X(enumerator, text, whether the sidecar is (or was) added, one sentence)
#define PODTAP_REASONS(X)                                                                                             \
  X(kPodEnabled, "pod-enabled", true, "The pod's annotation asks for capture.")                                       \
  X(kNamespaceEnabled, "namespace-enabled", true, "The namespace's label asks for capture.")                          \
  X(kNamespaceDefaultInject, "namespace-default-inject", true,                                                        \
    "The namespace's older label and its defaultInject annotation ask for capture.")                                  \
  X(kAllNamespaces, "all-namespaces", true, "--mirror_all_namespaces asks for capture of every pod.")                 \
  X(kHealed, "healed", true, "Another webhook had removed the restartPolicy of our container; it was put back.")      \
  X(kNotPodCreate, "not-pod-create", false, "The review is not about the creation of a pod.")                         \
  X(kStaticPod, "static-pod", false, "The pod mirrors a static pod of a node; the kubelet does not read it back.")    \
  X(kHostUsers, "host-users", false, "hostUsers is false: capabilities of a user namespace cannot attach BPF.")       \
  X(kWindows, "windows", false, "The pod runs on Windows.")                                                           \
  X(kPlatform, "platform", false,                                                                                     \
    "The pod runs where privileged pods are refused: virtual nodes, Fargate, Autopilot.")                             \
  X(kRuntimeClass, "runtime-class", false, "The runtime class is one of --skip_runtime_classes.")                     \
  X(kSkipNamespace, "skip-namespace", false, "The namespace is kube-system or one of --skip_namespaces.")             \
  X(kAlreadyInjected, "already-injected", false, "The pod has the sidecar already.")                                  \
  X(kPodDisabled, "pod-disabled", false, "The pod's annotation says no.")                                             \
  X(kNamespaceDisabled, "namespace-disabled", false, "The namespace's label says no.")                                \
  X(kNamespaceNoDefault, "namespace-no-default", false,                                                               \
    "The namespace has the older label, but not the annotation defaultInject=\"true\".")                              \
  X(kNotAsked, "not-asked", false, "Nobody asked for capture of this pod.")                                           \
  X(kOtherRevision, "other-revision", false, "The pod belongs to another revision of this webhook.")                  \
  X(kPodSecurity, "pod-security", false, "The namespace's Pod Security level would refuse the pod with the sidecar.") \
  X(kNameConflict, "name-conflict", false, "The pod has a container or volume of our name that is not ours.")         \
  X(kNeedsNativeSidecar, "needs-native-sidecar", false,                                                               \
    "The pod is to end by itself, and an ordinary container beside it would keep it from ending.")                    \
  X(kQuota, "quota", false, "A ResourceQuota of the namespace would be exceeded by the pod with the sidecar.")        \
  X(kLimitRange, "limit-range", false, "A LimitRange of the namespace cannot be met by the sidecar.")                 \
  X(kScc, "scc", false, "OpenShift would refuse a privileged container: the service account may not use the SCC.")    \
  X(kNamespaceUnknown, "namespace-unknown", false, "Nothing is known about the pod's namespace.")                     \
  X(kMalformedPod, "malformed-pod", false, "The pod has no spec with containers; the API server will refuse it.")     \
  X(kPatchFailed, "patch-failed", false, "Our patch did not apply to this pod, so it was not sent.")                  \
  X(kBadReview, "bad-review", false, "The body is not an AdmissionReview v1 that we understand.")                     \
  X(kTooLarge, "too-large", false, "The review is larger than we accept.")                                            \
  X(kOverloaded, "overloaded", false, "Too many bytes of other reviews were in flight.")                              \
  X(kInternalError, "internal-error", false, "Something went wrong here; the log says what.")

enum class Reason : uint8_t {
#define X(enumerator, text, injects, sentence) enumerator,
  PODTAP_REASONS(X)
#undef X
};

#define X(enumerator, text, injects, sentence) +1
inline constexpr size_t kReasonCount = 0 PODTAP_REASONS(X);
#undef X

std::string_view TextOf(Reason reason);
std::string_view SentenceOf(Reason reason);
bool Injects(Reason reason);

}  // namespace podtap::webhook
