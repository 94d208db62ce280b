// SPDX-License-Identifier: Apache-2.0
#include "webhook/skip_events.h"

#include <glog/logging.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>

#include "base/clock.h"
#include "webhook/kube_follow.h"
#include "webhook/pod_settings.h"

namespace podtap::webhook {
namespace {

constexpr std::chrono::minutes kOncePer(1);
constexpr size_t kMostRemembered = 10000;
constexpr long kMostUnderWay = 64;
constexpr size_t kMostNote = 1024;

WallTime Now() { return WallTime{std::chrono::system_clock::now().time_since_epoch() / std::chrono::nanoseconds(1)}; }

std::string KeyOf(const SkippedPod& pod) {
  const std::string who = pod.owner_name.empty() ? "Pod/" + pod.pod_name : pod.owner_kind + "/" + pod.owner_name;
  return pod.namespace_name + "/" + who + "/" + std::string(TextOf(pod.reason));
}

}  // namespace

bool SkipEvents::SaidLately(const std::string& key) {
  const auto now = std::chrono::steady_clock::now();
  if (said_.size() >= kMostRemembered)
    std::erase_if(said_, [&](const auto& at) { return now - at.second >= kOncePer; });
  const auto at = said_.find(key);
  if (at != said_.end() && now - at->second < kOncePer) return true;
  if (at == said_.end() && said_.size() >= kMostRemembered) return true;
  said_[key] = now;
  return false;
}

void SkipEvents::Tell(SkippedPod pod) {
  // Without an owner the pod itself is told, if it has a name by now.
  if (pod.owner_name.empty() && pod.pod_name.empty()) return;
  if (place_.use_count() > kMostUnderWay || SaidLately(KeyOf(pod))) {
    metrics_.events_suppressed.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  boost::asio::co_spawn(client_.context(), Send(std::move(pod), place_), boost::asio::detached);
}

std::string SkipEvents::EventText(const SkippedPod& pod, std::string_view instance, uint64_t serial, int64_t wall_ns) {
  json::object regarding{{"namespace", pod.namespace_name}};
  if (pod.owner_name.empty()) {
    regarding["apiVersion"] = "v1";
    regarding["kind"] = "Pod";
    regarding["name"] = pod.pod_name;
  } else {
    regarding["apiVersion"] = pod.owner_api_version;
    regarding["kind"] = pod.owner_kind;
    regarding["name"] = pod.owner_name;
    if (!pod.owner_uid.empty()) regarding["uid"] = pod.owner_uid;
  }
  // As client-go names them: the object's name, cut so that all of it stays a DNS subdomain of at most 253 characters.
  char suffix[40];
  snprintf(suffix, sizeof(suffix), ".%llx%04llx", static_cast<unsigned long long>(wall_ns),
           static_cast<unsigned long long>(serial & 0xffff));
  std::string name = std::string(TextMember(&regarding, "name")).substr(0, 253 - sizeof(suffix));
  while (name.ends_with('.') || name.ends_with('-')) name.pop_back();
  std::string time;
  AppendRfc3339(WallTime{wall_ns}, 6, time);
  std::string note = "podtap did not add the capture sidecar: ";
  note.append(TextOf(pod.reason)).append(" (").append(Printable(pod.decided_by, 300)).append("). ");
  note.append(SentenceOf(pod.reason));
  const json::object event{{"apiVersion", "events.k8s.io/v1"},
                           {"kind", "Event"},
                           {"metadata", {{"name", name + suffix}, {"namespace", pod.namespace_name}}},
                           {"eventTime", time},
                           {"reportingController", "podtap.traceable.ai/webhook"},
                           {"reportingInstance", instance.substr(0, 128)},
                           {"action", "Inject"},
                           {"reason", "CaptureSkipped"},
                           {"regarding", std::move(regarding)},
                           {"note", note.substr(0, kMostNote)},
                           {"type", "Warning"}};
  return json::serialize(event);
}

boost::asio::awaitable<void> SkipEvents::Send(SkippedPod pod, [[maybe_unused]] Place place) {
  if (pod.owner_kind == "ReplicaSet" && pod.owner_api_version.starts_with("apps/")) {
    KubeRequest read;
    read.target = "/apis/" + pod.owner_api_version + "/namespaces/" + UrlEncode(pod.namespace_name) + "/replicasets/" +
                  UrlEncode(pod.owner_name);
    read.accept = kAcceptMetadata;
    read.deadline = std::chrono::seconds(5);
    const KubeAnswer answer = co_await client_.Call(std::move(read));
    boost::json::error_code error;
    const json::value replica_set = answer.ok() ? json::parse(answer.body, error) : json::value();
    const json::array* owners = ArrayMember(ObjectMember(replica_set.if_object(), "metadata"), "ownerReferences");
    for (size_t i = 0; owners != nullptr && i < owners->size(); ++i) {
      const json::object* owner = (*owners)[i].if_object();
      const json::value* controller = Member(owner, "controller");
      if (controller == nullptr || !controller->is_bool() || !controller->get_bool()) continue;
      pod.owner_api_version = TextMember(owner, "apiVersion");
      pod.owner_kind = TextMember(owner, "kind");
      pod.owner_name = TextMember(owner, "name");
      pod.owner_uid = TextMember(owner, "uid");
      // Another of its ReplicaSets may have said it.
      if (!SaidLately(KeyOf(pod))) continue;
      metrics_.events_suppressed.fetch_add(1, std::memory_order_relaxed);
      co_return;
    }
  }
  KubeRequest request;
  request.method = "POST";
  request.target = "/apis/events.k8s.io/v1/namespaces/" + UrlEncode(pod.namespace_name) + "/events";
  request.content_type = "application/json";
  request.body = EventText(pod, instance_, ++serial_, Now().ns);
  const KubeAnswer answer = co_await client_.Call(std::move(request));
  if (answer.ok()) {
    metrics_.events_sent.fetch_add(1, std::memory_order_relaxed);
    co_return;
  }
  metrics_.events_failed.fetch_add(1, std::memory_order_relaxed);
  LOG_EVERY_T(WARNING, 60) << "sending an event: " << answer.Describe();
}

}  // namespace podtap::webhook
