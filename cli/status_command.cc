// SPDX-License-Identifier: Apache-2.0
#include "cli/status_command.h"

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/serialize.hpp>
#include <iostream>
#include <tuple>

#include "webhook/namespace_cache.h"
#include "webhook/options.h"
#include "webhook/survey.h"
#include "webhook/version.h"

namespace podtap {
namespace {

namespace json = boost::json;
using webhook::OptionInfo;

constexpr OptionInfo kOptions[] = {
    {"n", "", "Only this namespace; empty: all."},
    {"o", "table", "What to print: table or json."},
    {"kubeconfig", "", "The kubeconfig file; empty: $KUBECONFIG or ~/.kube/config, and in a pod its service account."},
    {"kube_api_url", "", "The API server, such as http://127.0.0.1:8001 for kubectl proxy, instead of a kubeconfig."},
    {"kube_token_file", "", "The bearer token for it."},
    {"kube_ca_file", "", "The CA that its certificate is checked against, PEM."},
};

struct Settings {
  std::string namespace_name;
  bool json = false;
  std::string kubeconfig, api_url, token_file, ca_file;
  bool one_revision = false;  // only pods that ask for injector.revision
  webhook::InjectorConfig injector;
};

struct Findings {
  std::vector<webhook::UncapturedPod> pods;
  std::vector<std::pair<std::string, std::string>> unserved;  // namespace, revision
};

int Fail(const Error& error) {
  std::cerr << "podtap status: " << error.message << "\n";
  return error.exit_code;
}

Status Apply(Settings& settings, const std::string& name, const std::string& value) {
  if (name == "n") {
    settings.namespace_name = value;
  } else if (name == "o") {
    if (value != "table" && value != "json") return UsageError("-o " + value + " is not known; use table or json");
    settings.json = value == "json";
  } else if (name == "kubeconfig") {
    settings.kubeconfig = value;
  } else if (name == "kube_api_url") {
    settings.api_url = value;
  } else if (name == "kube_token_file") {
    settings.token_file = value;
  } else if (name == "kube_ca_file") {
    settings.ca_file = value;
  } else {
    settings.one_revision = settings.one_revision || name == "revision";
    return ApplyOption(settings.injector, name, value);
  }
  return {};
}

Result<webhook::KubeConfig> WhichCluster(const Settings& settings) {
  const std::string file = settings.kubeconfig.empty() ? webhook::DefaultKubeconfig() : settings.kubeconfig;
  auto config = !settings.api_url.empty() ? webhook::ParseKubeUrl(settings.api_url)
                : !file.empty()           ? webhook::ReadKubeconfig(file)
                                          : webhook::InClusterConfig();
  if (!config && file.empty() && settings.api_url.empty())
    return UsageError("no cluster is known: there is no kubeconfig; name one with --kubeconfig or --kube_api_url");
  if (!config) return config;
  if (!settings.token_file.empty()) config->token_file = settings.token_file;
  if (!settings.ca_file.empty()) config->ca_file = settings.ca_file;
  return config;
}

boost::asio::awaitable<void> LookThrough(webhook::KubeClient& client, const Settings& settings, Findings& findings,
                                         std::string& failure) {
  webhook::NamespaceCache namespaces;
  namespaces.BeginList();
  webhook::FollowSpec spec;
  spec.path = "/api/v1/namespaces";
  spec.metadata_only = true;
  std::string version;
  std::function<void(const json::object&)> each = [&](const json::object& object) { namespaces.Listed(object); };
  webhook::KubeAnswer answer = co_await ListPages(client, spec, each, version);
  namespaces.EndList();
  std::vector<std::string> served;
  if (answer.ok()) answer = co_await ServedRevisions(client, served);
  if (answer.ok()) {
    each = [&](const json::object& pod) {
      const auto info = namespaces.Find(webhook::TextMember(webhook::ObjectMember(&pod, "metadata"), "namespace"));
      if (info == nullptr) return;
      auto uncaptured = settings.one_revision ? UncapturedIn(pod, info.get(), settings.injector)
                                              : UncapturedInAnyRevision(pod, info.get(), settings.injector);
      if (!uncaptured) return;
      CheckServed(pod, info.get(), served, *uncaptured);
      findings.pods.push_back(*std::move(uncaptured));
    };
    const webhook::FollowSpec pods = webhook::UncapturedPods(settings.namespace_name, false);
    answer = co_await ListPages(client, pods, each, version);
  }
  if (!answer.ok()) {
    failure = answer.Describe();
    co_return;
  }
  findings.unserved = webhook::Unserved(namespaces.AskingRevisions(), served);
  if (!settings.namespace_name.empty())
    std::erase_if(findings.unserved, [&](const auto& entry) { return entry.first != settings.namespace_name; });
}

void PrintJson(const Findings& findings) {
  json::array pods, unserved;
  for (const auto& pod : findings.pods)
    pods.emplace_back(json::object{
        {"namespace", pod.namespace_name}, {"name", pod.name}, {"reason", pod.reason}, {"decided_by", pod.decided_by}});
  for (const auto& [name, revision] : findings.unserved)
    unserved.emplace_back(json::object{{"namespace", name}, {"revision", revision}});
  std::cout << json::serialize(json::object{{"pods", std::move(pods)}, {"unserved_namespaces", std::move(unserved)}})
            << "\n";
}

void PrintTable(const std::vector<std::array<std::string, 3>>& rows) {
  std::array<size_t, 2> widths{};
  for (const auto& row : rows)
    for (size_t i = 0; i < widths.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  for (const auto& row : rows) {
    std::string line = row[0] + std::string(widths[0] - row[0].size() + 2, ' ') + row[1];
    if (!row[2].empty()) line.append(widths[1] - row[1].size() + 2, ' ').append(row[2]);
    std::cout << line << "\n";
  }
}

void Print(const Findings& findings) {
  std::vector<std::array<std::string, 3>> rows = {{"POD", "REASON", "DECIDED BY"}};
  for (const auto& pod : findings.pods)
    rows.push_back({pod.namespace_name + "/" + pod.name, pod.reason, pod.decided_by});
  if (rows.size() == 1)
    std::cout << "Every running pod that asks for capture has the sidecar.\n";
  else
    PrintTable(rows);
  if (findings.unserved.empty()) return;
  std::cout << "\n";
  rows = {{"NAMESPACE", "REVISION", "THAT NO WEBHOOK CONFIGURATION SERVES"}};
  for (const auto& [name, revision] : findings.unserved) rows.push_back({name, revision, ""});
  PrintTable(rows);
}

}  // namespace

int StatusCommand(const std::vector<std::string>& args) {
  const std::array<std::span<const OptionInfo>, 2> tables = {kOptions, webhook::InjectorOptions()};
  const auto parsed = webhook::ParseOptions(args, tables);
  if (!parsed) return Fail(parsed.error());
  if (parsed->help) {
    std::cout
        << "podtap status: running pods that ask for capture and have no sidecar, and why. A pod with the reason "
           "'missed' was\ncreated while no webhook answered: delete it, or restart its owner, to have it captured. "
           "'no-revision': no webhook\nconfiguration serves the revision that it asks for. Each pod is judged under "
           "that "
           "revision; --revision shows only\nthe pods of one. Nothing is changed here.\n"
        << webhook::OptionHelp(tables);
    return 0;
  }
  Settings settings;
  for (const auto& [name, value] : parsed->options)
    if (Status ok = Apply(settings, name, value); !ok) return Fail(ok.error());
  const auto config = WhichCluster(settings);
  if (!config) return Fail(config.error());
  boost::asio::io_context context;
  Findings findings;
  std::string failure;
  {
    webhook::KubeClient client(context, *config, "podtap/" + std::string(webhook::kVersion));
    boost::asio::co_spawn(context, LookThrough(client, settings, findings, failure), boost::asio::detached);
    context.run();
  }
  if (!failure.empty()) return Fail({failure, Error::kEnvironment});
  std::sort(findings.pods.begin(), findings.pods.end(), [](const auto& a, const auto& b) {
    return std::tie(a.namespace_name, a.name) < std::tie(b.namespace_name, b.name);
  });
  settings.json ? PrintJson(findings) : Print(findings);
  std::cout << std::flush;
  return std::cout ? 0 : Fail({"cannot write to standard output", Error::kEnvironment});
}

}  // namespace podtap
