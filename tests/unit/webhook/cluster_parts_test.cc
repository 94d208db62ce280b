// SPDX-License-Identifier: Apache-2.0
// The small parts of the webhook's dealings with a cluster; the whole is tested by tests/system/webhook_cluster.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "tests/unit/webhook/pods.h"
#include "webhook/base64.h"
#include "webhook/certificate_authority.h"
#include "webhook/kube_config.h"
#include "webhook/namespace_cache.h"
#include "webhook/node_cache.h"
#include "webhook/skip_events.h"

namespace podtap::webhook {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

TEST(KubeUrl, HostPortAndPrefix) {
  const auto api = ParseKubeUrl("https://10.0.0.1:6443");
  ASSERT_TRUE(api);
  EXPECT_EQ(api->Authority(), "10.0.0.1:6443");
  EXPECT_EQ(ParseKubeUrl("https://kubernetes.default.svc")->Authority(), "kubernetes.default.svc");
  EXPECT_EQ(ParseKubeUrl("https://[fd00::1]:443")->Authority(), "[fd00::1]");
  const auto rancher = ParseKubeUrl("https://rancher.example/k8s/clusters/c-1/");
  EXPECT_EQ(rancher->path_prefix, "/k8s/clusters/c-1");
  EXPECT_FALSE(ParseKubeUrl("http://127.0.0.1:8001")->tls);
  for (const char* bad : {"", "10.0.0.1", "ftp://x", "https://", "https://:443", "https://x:port",
                          "https://x:", "https://a b", "https://[fd00::1", "https://x:443/?a", "https://user@x"})
    EXPECT_FALSE(ParseKubeUrl(bad)) << bad;
}

TEST(Kubeconfig, TheCurrentContextWithItsCredentials) {
  const std::string file = testing::TempDir() + "kubeconfig";
  std::ofstream(file) << "current-context: two\n"
                         "contexts:\n- {name: one, context: {cluster: a, user: a}}\n"
                         "- name: two\n  context: {cluster: b, user: b}\n"
                         "clusters:\n- {name: a, cluster: {server: 'https://a'}}\n"
                         "- name: b\n  cluster: {server: 'https://b:6443', certificate-authority-data: Q0E=}\n"
                         "users:\n- name: b\n  user: {token: secret}\n";
  const auto config = ReadKubeconfig(file);
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->Authority(), "b:6443");
  EXPECT_EQ(config->ca_pem, "CA");
  EXPECT_EQ(config->token, "secret");
  std::ofstream(file) << "current-context: c\ncontexts: [{name: c, context: {cluster: c, user: c}}]\n"
                         "clusters: [{name: c, cluster: {server: 'https://c'}}]\n"
                         "users: [{name: c, user: {exec: {command: aws}}}]\n";
  const auto made_elsewhere = ReadKubeconfig(file);
  ASSERT_FALSE(made_elsewhere);
  EXPECT_THAT(made_elsewhere.error().message, HasSubstr("kubectl proxy"));
  std::filesystem::remove(file);
}

TEST(Base64, BackAndForth) {
  for (const char* text : {"", "a", "ab", "abc", "abcd"}) EXPECT_EQ(FromBase64(Base64(text)), text);
  EXPECT_EQ(FromBase64("YQ="), std::nullopt);
  EXPECT_EQ(FromBase64("!!!!"), std::nullopt);
}

TEST(NodeCache, VersionsAsProvidersWriteThem) {
  EXPECT_EQ(ParseMajorMinor("v1.29.3-gke.1200"), (KernelVersion{1, 29}));
  EXPECT_EQ(ParseMajorMinor("1.30+"), (KernelVersion{1, 30}));
  EXPECT_EQ(ParseMajorMinor("6.1.0-18-amd64"), (KernelVersion{6, 1}));
  for (const char* bad : {"", "v1", "1.", "x.1", "v"}) EXPECT_FALSE(ParseMajorMinor(bad)) << bad;
}

TEST(NodeCache, WithoutNodesTheServerDecidesAndAKubeletWithoutVersionIsOld) {
  NodeCache nodes;
  EXPECT_EQ(nodes.FactsFor("", {1, 29}).native_sidecars, false) << "nothing is known";
  nodes.SetServerVersion(KernelVersion{1, 30});
  EXPECT_EQ(nodes.FactsFor("", {1, 29}).native_sidecars, true);
  nodes.Changed(Json(R"({"metadata":{"name":"a"}})").as_object());
  EXPECT_EQ(nodes.FactsFor("", {1, 29}).native_sidecars, false);
  nodes.Deleted(Json(R"({"metadata":{"name":"a"}})").as_object());
  EXPECT_EQ(nodes.FactsFor("", {1, 29}).native_sidecars, true);
}

TEST(NamespaceCache, KeepsOnlyWhatADecisionReads) {
  NamespaceCache cache;
  cache.BeginList();
  cache.Listed(Json(R"({"metadata":{"name":"shop","labels":{"traceableai-mirror":"enabled","cost":"1"},
                        "annotations":{"mirror.traceable.ai/defaultMode":"all","note":"x"}}})")
                   .as_object());
  EXPECT_EQ(cache.Find("shop"), nullptr) << "a list counts when it is complete";
  cache.EndList();
  const auto info = cache.Find("shop");
  ASSERT_NE(info, nullptr);
  EXPECT_THAT(info->labels, SizeIs(1));
  EXPECT_THAT(info->annotations, SizeIs(1));
  cache.BeginList();
  cache.EndList();
  EXPECT_EQ(cache.Find("shop"), nullptr);
}

TEST(CertificateAuthority, SignsServesAndIsDueAtTwoThirds) {
  const auto authority = MakeAuthority("test", std::chrono::hours(30));
  ASSERT_TRUE(authority);
  const auto serving = MakeServingPair(*authority, {"a.b.svc", "a"}, std::chrono::hours(30));
  ASSERT_TRUE(serving);
  EXPECT_TRUE(IsUsable(*serving, authority->certificate, "a.b.svc"));
  EXPECT_FALSE(IsUsable(*serving, authority->certificate, "other.b.svc"));
  const auto other = MakeAuthority("test", std::chrono::hours(30));
  EXPECT_FALSE(IsUsable(*serving, other->certificate, "a.b.svc"));
  EXPECT_FALSE(Fits({serving->certificate, authority->key}));
  EXPECT_FALSE(Fits({"", ""}));
  const auto facts = FactsOfCertificate(serving->certificate);
  const int64_t now = time(nullptr);
  EXPECT_FALSE(facts->IsDue(now + 19 * 3600));
  EXPECT_TRUE(facts->IsDue(now + 21 * 3600));
  EXPECT_THAT(SplitBundle(authority->certificate + other->certificate, now), SizeIs(2));
  EXPECT_THAT(SplitBundle(authority->certificate + "garbage", now + 31 * 3600), SizeIs(0));
  EXPECT_FALSE(FactsOfCertificate("garbage"));
}

TEST(CertificateAuthority, EveryCertificateCanBeReadWhateverItsSerialNumber) {
  for (int i = 0; i < 1000; ++i) {
    const auto authority = MakeAuthority("test", std::chrono::hours(1));
    ASSERT_TRUE(authority && FactsOfCertificate(authority->certificate)) << authority->certificate;
  }
}

TEST(SkipEvents, ANameIsASubdomainAndANoteIsShortWhateverTheOwner) {
  SkippedPod pod;
  pod.namespace_name = "shop";
  pod.reason = Reason::kHostUsers;
  pod.decided_by = std::string(5000, 'x');
  pod.owner_api_version = "apps/v1";
  pod.owner_kind = "StatefulSet";
  pod.owner_name = std::string(211, 'a') + "." + std::string(40, 'b');
  const json::value event = Json(SkipEvents::EventText(pod, "webhook-0", 70000, 1790000000123456789));
  const std::string name = TextAt(event, "/metadata/name");
  EXPECT_LE(name.size(), 253u);
  EXPECT_EQ(name.find(".."), std::string::npos);
  EXPECT_LE(TextAt(event, "/note").size(), 1024u);
  EXPECT_EQ(TextAt(event, "/eventTime"), "2026-09-21T14:13:20.123456Z");
}

}  // namespace
}  // namespace podtap::webhook
