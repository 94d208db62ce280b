// SPDX-License-Identifier: Apache-2.0
#include "webhook/kube_config.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "base/read_file.h"
#include "webhook/base64.h"
#include "webhook/json_view.h"
#include "webhook/yaml_json.h"

namespace podtap::webhook {
namespace {

std::string Environment(const char* name) {
  const char* value = getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

std::unexpected<Error> BadUrl(std::string_view url) {
  return UsageError("--kube_api_url=" + std::string(url) +
                    " is not valid; use https://HOST:PORT, or http://127.0.0.1:8001 for kubectl proxy");
}

}  // namespace

std::string KubeConfig::Authority() const {
  const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return port == (tls ? "443" : "80") ? name : name + ":" + port;
}

Result<KubeConfig> ParseKubeUrl(std::string_view url) {
  KubeConfig config;
  std::string_view rest = url;
  if (rest.starts_with("https://")) {
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
    config.tls = false;
  } else {
    return BadUrl(url);
  }
  const size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash);
  std::string_view prefix = rest.substr(slash);
  while (prefix.ends_with('/')) prefix.remove_suffix(1);
  config.path_prefix = prefix;
  config.port = config.tls ? "443" : "80";
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return BadUrl(url);
    config.host = authority.substr(1, end - 1);
    authority.remove_prefix(end + 1);
  } else {
    const size_t colon = std::min(authority.find(':'), authority.size());
    config.host = authority.substr(0, colon);
    authority.remove_prefix(colon);
  }
  if (!authority.empty()) config.port = authority.substr(1);
  const bool digits = !config.port.empty() && config.port.size() <= 5 &&
                      std::all_of(config.port.begin(), config.port.end(), [](char c) { return c >= '0' && c <= '9'; });
  const bool clean = url.find_first_of(" \t\r\n?#@") == std::string_view::npos;
  if (config.host.empty() || !digits || !clean || (!authority.empty() && authority[0] != ':')) return BadUrl(url);
  return config;
}

bool InCluster() { return !Environment("KUBERNETES_SERVICE_HOST").empty(); }

Result<KubeConfig> InClusterConfig() {
  KubeConfig config;
  config.host = Environment("KUBERNETES_SERVICE_HOST");
  config.port = Environment("KUBERNETES_SERVICE_PORT");
  if (config.port.empty()) config.port = "443";
  if (config.host.empty())
    return UsageError(
        "no API server is known: this is no pod of a cluster; name one with --kube_api_url, or use --namespaces_file");
  config.token_file = std::string(kServiceAccountFolder) + "/token";
  config.ca_file = std::string(kServiceAccountFolder) + "/ca.crt";
  return config;
}

std::string DefaultKubeconfig() {
  std::string files = Environment("KUBECONFIG");
  if (!files.empty()) return files.substr(0, files.find(':'));
  const std::string home = Environment("HOME");
  const std::string file = home + "/.kube/config";
  return !home.empty() && access(file.c_str(), F_OK) == 0 ? file : std::string();
}

namespace {

// The object `section`[i].`key` whose name is `name`.
const json::object* Named(const json::object* root, std::string_view section, std::string_view name,
                          std::string_view key) {
  const json::array* entries = ArrayMember(root, section);
  for (size_t i = 0; entries != nullptr && i < entries->size(); ++i)
    if (TextMember((*entries)[i].if_object(), "name") == name) return ObjectMember((*entries)[i].if_object(), key);
  return nullptr;
}

// "KEY-data" in base64, or the file that KEY names (relative to the kubeconfig's folder).
Result<std::string> Pem(const json::object* from, const std::string& key, const std::string& folder) {
  if (const std::string_view data = TextMember(from, key + "-data"); !data.empty()) {
    auto pem = FromBase64(data);
    if (!pem) return UsageError(key + "-data is not base64");
    return *std::move(pem);
  }
  const std::string file(TextMember(from, key));
  if (file.empty()) return std::string();
  return ReadFile(file.starts_with('/') ? file : folder + file, 1 << 20);
}

}  // namespace

Result<KubeConfig> ReadKubeconfig(const std::string& file) {
  const auto text = ReadFile(file, 4 << 20);
  if (!text) return std::unexpected(text.error());
  const auto documents = ParseYaml(*text);
  if (!documents || documents->empty()) return UsageError(file + " is no kubeconfig");
  const json::value value = ToJson(documents->front());
  const json::object* root = value.if_object();
  const json::object* context = Named(root, "contexts", TextMember(root, "current-context"), "context");
  const json::object* cluster = Named(root, "clusters", TextMember(context, "cluster"), "cluster");
  const json::object* user = Named(root, "users", TextMember(context, "user"), "user");
  if (cluster == nullptr) return UsageError(file + " has no current context with a cluster");
  if (Member(user, "exec") != nullptr || Member(user, "auth-provider") != nullptr)
    return UsageError("the credentials in " + file + " are made by another program; run 'kubectl proxy' and use " +
                      "--kube_api_url=http://127.0.0.1:8001");
  auto config = ParseKubeUrl(TextMember(cluster, "server"));
  if (!config) return UsageError(file + ": the cluster's server is no URL");
  const size_t slash = file.rfind('/');
  const std::string folder = slash == std::string::npos ? std::string() : file.substr(0, slash + 1);
  auto ca = Pem(cluster, "certificate-authority", folder);
  auto certificate = Pem(user, "client-certificate", folder);
  auto key = Pem(user, "client-key", folder);
  for (const auto* part : {&ca, &certificate, &key})
    if (!*part) return UsageError(file + ": " + part->error().message);
  config->ca_pem = *std::move(ca);
  if (!certificate->empty()) config->client_pem = *certificate + "\n" + *key;
  config->token = TextMember(user, "token");
  config->token_file = TextMember(user, "tokenFile");
  return config;
}

std::string OwnNamespace() {
  if (std::string name = Environment("POD_NAMESPACE"); !name.empty()) return name;
  const auto name = ReadFile(std::string(kServiceAccountFolder) + "/namespace", 256);
  if (!name) return {};
  const size_t end = name->find_last_not_of(" \r\n");
  return end == std::string::npos ? std::string() : name->substr(0, end + 1);
}

}  // namespace podtap::webhook
