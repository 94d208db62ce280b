// SPDX-License-Identifier: Apache-2.0
// podtap-webhook: the mutating admission webhook that adds the capture sidecar to pods that ask for it.
#include <glog/logging.h>
#include <malloc.h>
#include <signal.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "base/http_server.h"
#include "webhook/admin.h"
#include "webhook/cluster.h"
#include "webhook/file_certificates.h"
#include "webhook/https_server.h"
#include "webhook/mutator.h"
#include "webhook/namespaces_file.h"
#include "webhook/server_config.h"
#include "webhook/version.h"

namespace podtap::webhook {
namespace {

int Fail(const Error& error) {
  std::cerr << "podtap-webhook: " << error.message << "\n";
  return error.exit_code;
}

void StartLog(const std::string& level) {
  FLAGS_logtostderr = true;
  FLAGS_minloglevel = level == "error" ? 2 : level == "warning" ? 1 : 0;
  FLAGS_v = level == "debug" ? 1 : 0;
  google::InitGoogleLogging("podtap-webhook");
}

// Says what is wrong once, and again when it changes.
class Complaint {
 public:
  void Say(const Status& status) {
    const std::string text = status ? std::string() : status.error().message;
    if (!text.empty() && text != last_) LOG(WARNING) << text << "; what was loaded before stays in use";
    last_ = text;
  }

 private:
  std::string last_;
};

// The signals that end the program, taken one by one here and by no other thread.
sigset_t EndSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

// Waits for an ending signal, at most `limit`.
bool EndsWithin(std::chrono::nanoseconds limit) {
  const sigset_t set = EndSignals();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limit);
  const timespec time{.tv_sec = seconds.count(), .tv_nsec = (limit - seconds).count()};
  return sigtimedwait(&set, nullptr, &time) > 0;
}

int Run(const ServerConfig& config) {
  WebhookMetrics metrics;
  ClusterMetrics cluster_metrics;
  ServingCertificate certificate(metrics);
  FileCertificates certificates(config.tls_cert_file, config.tls_key_file, certificate, metrics);
  const auto refresh_certificates = [&] { return config.self_certificates ? Status() : certificates.Refresh(); };
  if (Status ok = refresh_certificates(); !ok) return Fail(ok.error());
  NamespacesFile namespaces(config.namespaces_file);
  if (Status ok = namespaces.Refresh(); !ok) return Fail(ok.error());
  ClusterOptions cluster_options;
  if (config.UsesCluster()) {
    auto options = config.Cluster();
    if (!options) return Fail(options.error());
    cluster_options = *std::move(options);
  }

  auto listener = ListenOn(config.listen_address);
  if (!listener) return Fail(listener.error());
  std::vector<UniqueFd> admin_listeners;
  if (!config.admin_address.empty()) {
    auto admin_listener = ListenOn(config.admin_address);
    if (!admin_listener) return Fail(admin_listener.error());
    admin_listeners.push_back(*std::move(admin_listener));
  }

  LOG(INFO) << "podtap-webhook " << kVersion << " " << config.Json();
  if (!config.UsesCluster() && config.namespaces_file.empty())
    LOG(WARNING) << "neither a cluster nor --namespaces_file: no namespace has labels";
  std::optional<Cluster> cluster;
  if (config.UsesCluster()) cluster.emplace(std::move(cluster_options), config.injector, certificate, cluster_metrics);
  LiveSource* const live = cluster ? &*cluster : nullptr;
  const Mutator mutator(config.injector, cluster ? cluster->namespaces() : namespaces, metrics, live);
  HttpsServerOptions options;
  options.threads = config.threads;
  HttpsServer server(*std::move(listener), options, certificate, mutator, metrics, live);
  std::atomic<bool> draining{false};
  AdminSources sources{metrics, {}, {}};
  sources.waits_for = [&] {
    return draining ? std::string("draining") : cluster ? cluster->WaitsFor() : std::string();
  };
  if (cluster) sources.more_metrics = [&](std::string& out) { cluster_metrics.AppendText(out); };
  std::optional<HttpServer> admin;
  if (!admin_listeners.empty()) admin.emplace(std::move(admin_listeners), AdminHandler(std::move(sources)));
  LOG(INFO) << "serving on " << config.listen_address;

  Complaint about_certificates, about_namespaces;
  const auto refresh = [&] {
    about_certificates.Say(refresh_certificates());
    const Status read = namespaces.Refresh();
    if (!read) metrics.namespaces_file_errors.fetch_add(1, std::memory_order_relaxed);
    about_namespaces.Say(read);
  };
  while (!EndsWithin(std::chrono::seconds(1))) refresh();

  LOG(INFO) << "draining for " << config.drain_s << " s";
  draining.store(true);
  server.StartDraining();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(config.drain_s);
  while (std::chrono::steady_clock::now() < end) {
    const auto left = end - std::chrono::steady_clock::now();
    if (EndsWithin(std::clamp<std::chrono::nanoseconds>(left, std::chrono::milliseconds(1), std::chrono::seconds(1))))
      break;
    refresh();
  }
  server.Stop(std::chrono::seconds(5));
  admin.reset();
  cluster.reset();  // before the server, whose reviews its look-ups would answer to
  LOG(INFO) << "ended";
  return 0;
}

int Main(int argc, char** argv) {
  // Large bodies go back to the system when they are done with; the default threshold would grow with the first of
  // them. With fewer arenas than these threads wait for one another; with more, each keeps what it once needed.
  mallopt(M_MMAP_THRESHOLD, 256 << 10);
  mallopt(M_TRIM_THRESHOLD, 1 << 20);
  mallopt(M_ARENA_MAX, 4);
  const std::vector<std::string> args(argv + 1, argv + argc);
  const auto line = ParseServerCommandLine(args);
  if (!line) return Fail(line.error());
  if (line->help) {
    std::cout << "podtap-webhook: adds the capture sidecar to the pods that ask for it.\n" << ServerHelp();
    return 0;
  }
  if (line->version) {
    std::cout << "podtap-webhook " << kVersion << "\n";
    return 0;
  }
  if (line->config.check_config) {
    std::cout << line->config.Json() << "\n";
    return 0;
  }
  signal(SIGPIPE, SIG_IGN);
  const sigset_t set = EndSignals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  StartLog(line->config.log_level);
  return Run(line->config);
}

}  // namespace
}  // namespace podtap::webhook

int main(int argc, char** argv) { return podtap::webhook::Main(argc, argv); }
