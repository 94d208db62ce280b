// SPDX-License-Identifier: Apache-2.0
#include "webhook/certificate_keeper.h"

#include <glog/logging.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <ctime>
#include <optional>

#include "base/annotations.h"
#include "webhook/base64.h"
#include "webhook/json_patch.h"

namespace podtap::webhook {
namespace {

namespace asio = boost::asio;

constexpr std::chrono::seconds kRound(30);  // between two looks, if nothing changes
constexpr std::string_view kConfigurations = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
constexpr size_t kMostAuthorities = 4;

std::string FirstOf(const std::string& bundle) {
  const auto all = SplitBundle(bundle, 0);
  return all.empty() ? std::string() : all.front();
}

}  // namespace

CertificateKeeper::CertificateKeeper(KubeClient& client, CertificateKeeperOptions options,
                                     ServingCertificate& certificate, ClusterMetrics& metrics)
    : client_(client),
      options_(std::move(options)),
      dns_names_({options_.service_name + "." + options_.namespace_name + ".svc",
                  options_.service_name + "." + options_.namespace_name + ".svc.cluster.local",
                  options_.service_name + "." + options_.namespace_name, options_.service_name}),
      certificate_(certificate),
      metrics_(metrics),
      alarm_(*this),
      timer_(client.context()) {}

void CertificateKeeper::Start() {
  FollowSpec secret{.name = "the certificate's Secret",
                    .path = "/api/v1/namespaces/" + UrlEncode(options_.namespace_name) + "/secrets",
                    .selection = "fieldSelector=" + UrlEncode("metadata.name=" + options_.secret_name),
                    .metadata_only = true};
  FollowSpec configuration{.name = "the webhook configuration",
                           .path = std::string(kConfigurations),
                           .selection = "fieldSelector=" + UrlEncode("metadata.name=" + options_.configuration_name),
                           .metadata_only = true};
  asio::co_spawn(client_.context(), Follow(client_, std::move(secret), alarm_, secret_metrics_), asio::detached);
  asio::co_spawn(client_.context(), Follow(client_, std::move(configuration), alarm_, configuration_metrics_),
                 asio::detached);
  asio::co_spawn(client_.context(), Run(), asio::detached);
}

void CertificateKeeper::Wake() {
  woken_ = true;
  timer_.cancel();
}

asio::awaitable<void> CertificateKeeper::Run() {
  Backoff backoff;
  for (;;) {
    woken_ = false;
    bool done = false;
    try {
      done = co_await Look();
    } catch (const std::exception& error) {
      Complain(error.what());
    }
    std::chrono::milliseconds pause = kRound;
    if (done) {
      backoff.Reset();
      // Short lives, as tests have them, are looked at in time.
      pause = std::min<std::chrono::milliseconds>(pause, options_.lifetime / 20 + std::chrono::milliseconds(200));
    } else {
      metrics_.keeper_failures.fetch_add(1, std::memory_order_relaxed);
      pause = backoff.Next();
    }
    if (woken_ && done) continue;
    timer_.expires_after(pause);
    boost::system::error_code ignored;
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

void CertificateKeeper::Complain(const std::string& what) {
  if (what != last_complaint_) LOG(WARNING) << "keeping the certificate: " << what;
  last_complaint_ = what;
}

asio::awaitable<bool> CertificateKeeper::Look() {
  Stored stored;
  const KubeAnswer read = co_await ReadSecret(stored);
  if (!read.ok() && read.status != 404) {
    Complain(read.Describe());
    co_return false;
  }
  if (Renew(stored)) {
    const KubeAnswer written = co_await WriteSecret(stored);
    if (written.status == 409) {
      // Another replica was first; what it has written will do.
      metrics_.secret_conflicts.fetch_add(1, std::memory_order_relaxed);
      co_return false;
    }
    if (!written.ok()) {
      Complain(written.Describe());
      co_return false;
    }
    metrics_.secret_writes.fetch_add(1, std::memory_order_relaxed);
    LOG(INFO) << "wrote the certificate to Secret " << options_.namespace_name << "/" << options_.secret_name;
  }
  if (const auto facts = FactsOfCertificate(stored.bundle)) metrics_.authority_expiry_s.store(facts->not_after);
  const bool trusted = co_await WriteBundle(stored.bundle);
  // Without any certificate nothing can be answered at all; with one, the next has to be trusted first.
  if (trusted || presented_.empty()) co_await Present(stored);
  if (trusted) last_complaint_.clear();
  co_return trusted;
}

asio::awaitable<KubeAnswer> CertificateKeeper::ReadSecret(Stored& stored) {
  KubeRequest request;
  request.target =
      "/api/v1/namespaces/" + UrlEncode(options_.namespace_name) + "/secrets/" + UrlEncode(options_.secret_name);
  KubeAnswer answer = co_await client_.Call(std::move(request));
  if (!answer.ok()) co_return answer;
  boost::json::error_code error;
  stored.secret = json::parse(answer.body, error);
  const json::object* secret = error ? nullptr : stored.secret.if_object();
  stored.version = TextMember(ObjectMember(secret, "metadata"), "resourceVersion");
  if (stored.version.empty()) {
    answer.status = 0;
    answer.error = "the answer is no Secret";
    co_return answer;
  }
  const json::object* data = ObjectMember(secret, "data");
  const auto take = [&](std::string_view key) { return FromBase64(TextMember(data, key)).value_or(std::string()); };
  stored.bundle = take("ca.crt");
  stored.authority_key = take("ca.key");
  stored.serving = {take("tls.crt"), take("tls.key")};
  co_return answer;
}

bool CertificateKeeper::Renew(Stored& stored) {
  const int64_t now = time(nullptr);
  KeyPair authority{FirstOf(stored.bundle), stored.authority_key};
  const auto authority_facts = FactsOfCertificate(authority.certificate);
  bool changed = false;
  if (!authority_facts || authority_facts->IsDue(now) || !Fits(authority)) {
    auto made = MakeAuthority("podtap-webhook " + std::to_string(now), options_.authority_lifetime);
    if (!made) {
      Complain(made.error().message);
      return false;
    }
    std::string bundle = made->certificate;
    // Certificates of the old one are in use until every replica has a new one.
    size_t kept = 1;
    for (const std::string& older : SplitBundle(stored.bundle, now))
      if (kept++ < kMostAuthorities) bundle += older;
    authority = *std::move(made);
    stored.bundle = std::move(bundle);
    stored.authority_key = authority.key;
    changed = true;
  }
  const auto facts = FactsOfCertificate(stored.serving.certificate);
  if (changed || !facts || facts->IsDue(now) || !IsUsable(stored.serving, authority.certificate, dns_names_[0])) {
    auto made = MakeServingPair(authority, dns_names_, std::min(options_.lifetime, options_.authority_lifetime));
    if (!made) {
      Complain(made.error().message);
      return false;
    }
    stored.serving = *std::move(made);
    changed = true;
  }
  return changed;
}

asio::awaitable<KubeAnswer> CertificateKeeper::WriteSecret(const Stored& stored) {
  const std::string folder = "/api/v1/namespaces/" + UrlEncode(options_.namespace_name) + "/secrets";
  const json::object data{{"ca.crt", Base64(stored.bundle)},
                          {"ca.key", Base64(stored.authority_key)},
                          {"tls.crt", Base64(stored.serving.certificate)},
                          {"tls.key", Base64(stored.serving.key)}};
  KubeRequest request;
  request.content_type = "application/json";
  if (stored.version.empty()) {
    request.method = "POST";
    request.target = folder;
    request.body = json::serialize(
        json::object{{"apiVersion", "v1"},
                     {"kind", "Secret"},
                     {"metadata", {{"name", options_.secret_name}, {"namespace", options_.namespace_name}}},
                     {"type", "Opaque"},
                     {"data", data}});
  } else {
    // As it was read, so that labels and owners of others stay; its resourceVersion makes the API server refuse it
    // (409) if anybody has written meanwhile.
    json::value secret = stored.secret;
    json::object& object = secret.as_object();
    object["data"] = data;
    request.method = "PUT";
    request.target = folder + "/" + UrlEncode(options_.secret_name);
    request.body = json::serialize(secret);
  }
  co_return co_await client_.Call(std::move(request));
}

asio::awaitable<bool> CertificateKeeper::WriteBundle(const std::string& bundle) {
  const std::string target = std::string(kConfigurations) + "/" + UrlEncode(options_.configuration_name);
  KubeRequest read;
  read.target = target;
  const KubeAnswer answer = co_await client_.Call(std::move(read));
  boost::json::error_code error;
  const json::value configuration = answer.ok() ? json::parse(answer.body, error) : json::value();
  const json::object* object = configuration.if_object();
  const json::array* webhooks = ArrayMember(object, "webhooks");
  if (!answer.ok() || error || object == nullptr) {
    Complain("MutatingWebhookConfiguration " + options_.configuration_name + ": " + answer.Describe());
    co_return false;
  }
  const json::object* metadata = ObjectMember(object, "metadata");
  json::array patch;
  patch.emplace_back(json::object{
      {"op", "test"}, {"path", "/metadata/resourceVersion"}, {"value", TextMember(metadata, "resourceVersion")}});
  const std::string wanted = Base64(bundle);
  for (size_t i = 0; webhooks != nullptr && i < webhooks->size(); ++i)
    if (TextMember(ObjectMember((*webhooks)[i].if_object(), "clientConfig"), "caBundle") != wanted)
      patch.emplace_back(json::object{
          {"op", "add"}, {"path", "/webhooks/" + std::to_string(i) + "/clientConfig/caBundle"}, {"value", wanted}});
  // By this label others see which revisions are served.
  const json::object* labels = ObjectMember(metadata, "labels");
  if (labels == nullptr)
    patch.emplace_back(
        json::object{{"op", "add"}, {"path", "/metadata/labels"}, {"value", {{kRevisionLabel, options_.revision}}}});
  else if (TextMember(labels, kRevisionLabel) != options_.revision)
    patch.emplace_back(json::object{
        {"op", "add"}, {"path", "/metadata/labels/" + EscapePointer(kRevisionLabel)}, {"value", options_.revision}});
  if (patch.size() == 1) co_return true;
  KubeRequest request;
  request.method = "PATCH";
  request.target = target;
  request.content_type = "application/json-patch+json";
  request.body = json::serialize(patch);
  const KubeAnswer written = co_await client_.Call(std::move(request));
  if (!written.ok()) {
    Complain("MutatingWebhookConfiguration " + options_.configuration_name + ": " + written.Describe());
    co_return false;
  }
  metrics_.bundle_writes.fetch_add(1, std::memory_order_relaxed);
  LOG(INFO) << "wrote the caBundle of MutatingWebhookConfiguration " << options_.configuration_name;
  co_return true;
}

asio::awaitable<void> CertificateKeeper::Present(const Stored& stored) {
  if (stored.serving.certificate == presented_) co_return;
  const std::string authority = FirstOf(stored.bundle);
  if (!presented_.empty() && authority != presented_authority_) {
    // Short lives, as tests have them, cannot wait as long.
    asio::steady_timer wait(client_.context(), std::min(options_.trust_delay, options_.lifetime / 10));
    boost::system::error_code ignored;
    co_await wait.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  if (Status ok = certificate_.Use(stored.serving.certificate, "tls.crt", stored.serving.key, "tls.key"); !ok) {
    Complain(ok.error().message);
    co_return;
  }
  presented_ = stored.serving.certificate;
  presented_authority_ = authority;
  LOG(INFO) << "presents the certificate of Secret " << options_.namespace_name << "/" << options_.secret_name;
}

}  // namespace podtap::webhook
