// SPDX-License-Identifier: Apache-2.0
#include "webhook/cluster.h"

#include <glog/logging.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <thread>

#include "webhook/access_cache.h"
#include "webhook/limits_cache.h"
#include "webhook/namespace_cache.h"
#include "webhook/node_cache.h"
#include "webhook/server_version.h"
#include "webhook/skip_events.h"
#include "webhook/survey.h"
#include "webhook/version.h"

namespace podtap::webhook {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::milliseconds kLookDeadline(200);
constexpr std::chrono::milliseconds kVersionInterval(600000);

std::string_view AccountOf(const json::object& pod) {
  const std::string_view name = TextMember(Spec(pod), "serviceAccountName");
  return name.empty() ? "default" : name;
}

std::string OwnName() {
  const char* name = getenv("POD_NAME");
  if (name == nullptr || *name == '\0') name = getenv("HOSTNAME");
  return name == nullptr || *name == '\0' ? "podtap-webhook" : name;
}

// A ConfigMap whose value `capture: "off"` switches capture off.
class OffSwitch final : public FollowedObjects {
 public:
  explicit OffSwitch(ClusterMetrics& metrics) : metrics_(metrics) {}
  void BeginList() override { listed_ = false; }
  void Listed(const json::object& object) override { listed_ = IsOff(object); }
  void EndList() override { Set(listed_); }
  void Changed(const json::object& object) override { Set(IsOff(object)); }
  void Deleted(const json::object&) override { Set(false); }

 private:
  static bool IsOff(const json::object& object) {
    return TextMember(ObjectMember(&object, "data"), "capture") == "off";
  }
  void Set(bool off) {
    if (metrics_.switched_off.exchange(off) != off) LOG(WARNING) << "capture is switched " << (off ? "off" : "on");
  }
  ClusterMetrics& metrics_;
  bool listed_ = false;
};

}  // namespace

class Cluster::Impl {
 public:
  Impl(ClusterOptions options, const InjectorConfig& injector, ServingCertificate& certificate, ClusterMetrics& metrics)
      : options_(std::move(options)),
        injector_(injector),
        certificate_(certificate),
        metrics_(metrics),
        client_(context_, options_.api, "podtap-webhook/" + std::string(kVersion)),
        off_switch_(metrics),
        events_(client_, OwnName(), metrics),
        keeper_(client_, options_.keeper, certificate, metrics) {
    Spawn(Follow(client_, Spec("namespaces", "/api/v1/namespaces", true), namespaces_, metrics_.namespaces));
    Spawn(Follow(client_, Spec("nodes", "/api/v1/nodes", false), nodes_, metrics_.nodes));
    if (options_.check_quota) {
      Spawn(
          Follow(client_, Spec("resource quotas", "/api/v1/resourcequotas", false), limits_.quotas(), metrics_.quotas));
      Spawn(Follow(client_, Spec("limit ranges", "/api/v1/limitranges", false), limits_.limit_ranges(),
                   metrics_.limit_ranges));
    }
    if (!options_.off_switch_configmap.empty()) {
      FollowSpec spec =
          Spec("the off switch", "/api/v1/namespaces/" + UrlEncode(options_.own_namespace) + "/configmaps", false);
      spec.selection = "fieldSelector=" + UrlEncode("metadata.name=" + options_.off_switch_configmap);
      Spawn(Follow(client_, std::move(spec), off_switch_, metrics_.off_switch));
    }
    if (options_.keep_certificate) keeper_.Start();
    Spawn(WatchServerVersion());
    if (options_.survey_interval.count() > 0) Spawn(SurveyNowAndThen());
    thread_ = std::thread([this] { RunThread(); });
  }
  ~Impl() { Stop(); }

  void Stop() {
    context_.stop();
    if (thread_.joinable()) thread_.join();
  }

  std::string WaitsFor() const {
    if (!metrics_.namespaces.synced) return "the list of namespaces";
    if (!metrics_.nodes.synced) return "the list of nodes";
    if (!version_known_) return "the API server's version";
    if (options_.check_quota && !(metrics_.quotas.synced && metrics_.limit_ranges.synced))
      return "the lists of quotas and limit ranges";
    if (!options_.off_switch_configmap.empty() && !metrics_.off_switch.synced) return "the off switch";
    if (!certificate_.Current()) return "a certificate";
    return {};
  }

  LiveFacts FactsFor(const json::object& pod, std::string_view namespace_name) const {
    LiveFacts facts;
    const std::string_view node = NamedNode(pod);
    facts.cluster = nodes_.FactsFor(node, options_.native_min_kubelet);
    facts.platform = nodes_.PlatformOf(node);
    facts.windows = nodes_.IsWindows(node);
    if (options_.check_quota) facts.limits = limits_.Find(namespace_name);
    if (openshift_) {
      const auto allowed = access_.Find(std::string(namespace_name), std::string(AccountOf(pod)));
      const std::string who = "service account " + std::string(AccountOf(pod));
      if (!allowed)
        facts.scc_refusal = who + " and SCC " + options_.privileged_scc + ": nobody could say";
      else if (!*allowed)
        facts.scc_refusal = who + " may not use SCC " + options_.privileged_scc;
    }
    if (metrics_.switched_off)
      facts.switched_off_by = "ConfigMap " + options_.own_namespace + "/" + options_.off_switch_configmap;
    return facts;
  }

  bool WorthLookup(const json::object& pod, std::string_view namespace_name, bool namespace_known,
                   Lookup& lookup) const {
    if (namespace_name.empty()) return false;
    if (!namespace_known) lookup.namespace_name = namespace_name;
    const std::string account(AccountOf(pod));
    if (openshift_ && !access_.Find(std::string(namespace_name), account)) {
      lookup.access_in = namespace_name;
      lookup.service_account = account;
    }
    return !lookup.namespace_name.empty() || !lookup.access_in.empty();
  }

  void Look(const Lookup& lookup, std::function<void()> done) {
    asio::post(context_, [this, lookup, done = std::move(done)] { LookHere(lookup, done); });
  }

  void TellSkipped(SkippedPod pod) {
    if (!options_.send_events) return;
    asio::post(context_, [this, pod = std::move(pod)]() mutable { events_.Tell(std::move(pod)); });
  }

  const NamespaceCache& namespaces() const { return namespaces_; }

 private:
  void RunThread() {
    for (;;) {
      try {
        context_.run();
        return;
      } catch (const std::exception& error) {
        LOG(ERROR) << "talking to the API server: " << error.what();
      }
    }
  }

  void Spawn(asio::awaitable<void> task) { asio::co_spawn(context_, std::move(task), asio::detached); }

  FollowSpec Spec(std::string name, std::string path, bool metadata_only) const {
    FollowSpec spec;
    spec.name = std::move(name);
    spec.path = std::move(path);
    spec.metadata_only = metadata_only;
    spec.silence = options_.watch_silence;
    return spec;
  }

  // Questions that are the same are asked once, however many reviews wait for the answer.
  void LookHere(const Lookup& lookup, const std::function<void()>& done) {
    const std::string key = lookup.namespace_name + "\n" + lookup.access_in + "\n" + lookup.service_account;
    auto& waiting = waiting_[key];
    waiting.push_back(done);
    if (waiting.size() == 1) Spawn(LookNow(lookup, key));
  }

  asio::awaitable<void> LookNow(Lookup lookup, std::string key) {
    metrics_.lookups.fetch_add(1, std::memory_order_relaxed);
    const auto deadline = std::chrono::steady_clock::now() + kLookDeadline;
    if (!lookup.namespace_name.empty()) co_await ReadNamespace(lookup.namespace_name);
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (!lookup.access_in.empty() && left.count() > 0) co_await AskAccess(lookup, left);
    for (const auto& done : std::exchange(waiting_[key], {})) done();
    waiting_.erase(key);
  }

  asio::awaitable<void> ReadNamespace(const std::string& name) {
    KubeRequest request;
    request.target = "/api/v1/namespaces/" + UrlEncode(name);
    request.accept = kAcceptMetadata;
    request.deadline = kLookDeadline;
    const KubeAnswer answer = co_await client_.Call(std::move(request));
    boost::json::error_code error;
    const json::value found = answer.ok() ? json::parse(answer.body, error) : json::value();
    const json::object* object = error ? nullptr : found.if_object();
    if (TextMember(ObjectMember(object, "metadata"), "name") == name) {
      namespaces_.Changed(*object);
      co_return;
    }
    metrics_.lookups_failed.fetch_add(1, std::memory_order_relaxed);
    LOG_EVERY_T(WARNING, 1) << "reading a namespace: " << answer.Describe();
  }

  asio::awaitable<void> AskAccess(const Lookup& lookup, std::chrono::milliseconds left) {
    const std::string& in = lookup.access_in;
    KubeRequest request;
    request.method = "POST";
    request.target = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    request.content_type = "application/json";
    request.deadline = left;
    request.body = json::serialize(
        json::object{{"apiVersion", "authorization.k8s.io/v1"},
                     {"kind", "SubjectAccessReview"},
                     {"spec",
                      {{"user", "system:serviceaccount:" + in + ":" + lookup.service_account},
                       {"groups", {"system:serviceaccounts", "system:serviceaccounts:" + in, "system:authenticated"}},
                       {"resourceAttributes",
                        {{"namespace", in},
                         {"verb", "use"},
                         {"group", "security.openshift.io"},
                         {"resource", "securitycontextconstraints"},
                         {"name", options_.privileged_scc}}}}}});
    const KubeAnswer answer = co_await client_.Call(std::move(request));
    boost::json::error_code error;
    const json::value review = answer.ok() ? json::parse(answer.body, error) : json::value();
    const json::value* allowed = Member(ObjectMember(review.if_object(), "status"), "allowed");
    if (!error && allowed != nullptr && allowed->is_bool()) {
      access_.Set(in, lookup.service_account, allowed->get_bool());
      co_return;
    }
    metrics_.lookups_failed.fetch_add(1, std::memory_order_relaxed);
    LOG_EVERY_T(WARNING, 1) << "asking about an SCC: " << answer.Describe();
  }

  asio::awaitable<void> Sleep(std::chrono::milliseconds time) {
    asio::steady_timer timer(context_, time);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }

  // The version, and whether this is an OpenShift; both change when a cluster is upgraded.
  asio::awaitable<void> WatchServerVersion() {
    Backoff backoff;
    for (;;) {
      const auto version = co_await AskServerVersion(client_);
      if (version) {
        backoff.Reset();
        nodes_.SetServerVersion(version->number);
        openshift_ = version->openshift;
        if (!version_known_.exchange(true))
          LOG(INFO) << "the API server is " << version->text << (version->openshift ? ", OpenShift" : "");
      }
      co_await Sleep(version ? kVersionInterval : backoff.Next());
    }
  }

  asio::awaitable<void> SurveyNowAndThen() {
    while (!metrics_.namespaces.synced) co_await Sleep(std::chrono::milliseconds(200));
    for (;;) {
      co_await SurveyOnce();
      co_await Sleep(options_.survey_interval);
    }
  }

  asio::awaitable<void> SurveyOnce() {
    int64_t missed = 0;
    std::function<void(const json::object&)> each = [&](const json::object& pod) {
      const auto info = namespaces_.Find(TextMember(ObjectMember(&pod, "metadata"), "namespace"));
      if (info == nullptr) return;
      const auto uncaptured = UncapturedIn(pod, info.get(), injector_);
      if (uncaptured && uncaptured->reason == "missed") ++missed;
    };
    const FollowSpec spec = UncapturedPods({}, true);
    std::string version;
    const KubeAnswer pods = co_await ListPages(client_, spec, std::move(each), version);
    std::vector<std::string> served;
    const KubeAnswer revisions = co_await ServedRevisions(client_, served);
    if (pods.ok()) metrics_.missed_pods = missed;
    // This one is served in any case, whether or not its configuration is labelled.
    served.push_back(injector_.revision);
    if (revisions.ok()) metrics_.SetUnserved(Unserved(namespaces_.AskingRevisions(), served));
    if (pods.ok() && revisions.ok()) {
      metrics_.surveys.fetch_add(1, std::memory_order_relaxed);
      co_return;
    }
    metrics_.surveys_failed.fetch_add(1, std::memory_order_relaxed);
    LOG(WARNING) << "looking through the pods: " << (pods.ok() ? revisions : pods).Describe();
  }

  const ClusterOptions options_;
  const InjectorConfig& injector_;
  ServingCertificate& certificate_;
  ClusterMetrics& metrics_;
  NamespaceCache namespaces_;
  NodeCache nodes_;
  LimitsCache limits_;
  AccessCache access_;
  std::atomic<bool> openshift_{false};
  std::atomic<bool> version_known_{false};
  std::map<std::string, std::vector<std::function<void()>>> waiting_;
  // Coroutines that are still waiting are destroyed with the context; they use what stands above and, as they end,
  // what stands below: so the context goes last of these.
  asio::io_context context_{1};
  KubeClient client_;
  OffSwitch off_switch_;
  SkipEvents events_;
  CertificateKeeper keeper_;
  std::thread thread_;
};

Cluster::Cluster(ClusterOptions options, const InjectorConfig& injector, ServingCertificate& certificate,
                 ClusterMetrics& metrics)
    : impl_(std::make_unique<Impl>(std::move(options), injector, certificate, metrics)) {}
Cluster::~Cluster() = default;
void Cluster::Stop() { impl_->Stop(); }
std::string Cluster::WaitsFor() const { return impl_->WaitsFor(); }
const NamespaceSource& Cluster::namespaces() const { return impl_->namespaces(); }
LiveFacts Cluster::FactsFor(const json::object& pod, std::string_view namespace_name) const {
  return impl_->FactsFor(pod, namespace_name);
}
bool Cluster::WorthLookup(const json::object& pod, std::string_view namespace_name, bool namespace_known,
                          Lookup& lookup) const {
  return impl_->WorthLookup(pod, namespace_name, namespace_known, lookup);
}
void Cluster::Look(const Lookup& lookup, std::function<void()> done) { impl_->Look(lookup, std::move(done)); }
void Cluster::TellSkipped(SkippedPod pod) { impl_->TellSkipped(std::move(pod)); }

}  // namespace podtap::webhook
