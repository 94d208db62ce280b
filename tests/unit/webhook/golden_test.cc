// SPDX-License-Identifier: Apache-2.0
// tests/golden/webhook: a pod, the patch that it gets, and what it is then.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/read_file.h"
#include "tests/unit/webhook/pods.h"
#include "webhook/namespaces_file.h"
#include "webhook/version.h"
#include "webhook/yaml_write.h"

namespace podtap::webhook {
namespace {

namespace fs = std::filesystem;

std::string WithoutVersion(std::string text) {
  const std::string version = "\\\"version\\\":\\\"" + std::string(kVersion) + "\\\"";
  for (size_t at = 0; (at = text.find(version, at)) != std::string::npos;)
    text.replace(at, version.size(), R"(\"version\":\"VERSION\")");
  return text;
}

std::string Pretty(const json::value& value) {
  std::string text;
  WriteJson(value, {}, {}, text);
  return WithoutVersion(text) + "\n";
}

std::string Read(const fs::path& path) {
  const auto text = ReadFile(path.string(), 1 << 20);
  return text ? *text : std::string();
}

std::vector<std::string> Cases() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator("tests/golden/webhook"))
    if (entry.is_directory()) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

InjectorConfig ConfigOf(const fs::path& folder) {
  InjectorConfig config = TestConfig();
  std::istringstream options(Read(folder / "options"));
  for (std::string line; std::getline(options, line);) {
    const size_t equals = std::min(line.find('='), line.size());
    const std::string value = equals == line.size() ? "true" : line.substr(equals + 1);
    const Status ok = ApplyOption(config, line.substr(2, equals - 2), value);
    EXPECT_TRUE(ok) << line << ": " << (ok ? "" : ok.error().message);
  }
  return config;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, PatchAndPatchedPodAreAsWritten) {
  const fs::path folder = fs::path("tests/golden/webhook") / GetParam();
  const auto documents = ParseYaml(Read(folder / "pod.yaml"));
  ASSERT_TRUE(documents && documents->size() == 1) << folder;
  json::value pod = ToJson((*documents)[0]);
  const auto namespaces = ParseNamespaces(Read(folder / "namespaces.yaml"));
  ASSERT_TRUE(namespaces);
  const auto shop = namespaces->find("shop");
  const NamespaceInfo info = shop == namespaces->end() ? NamespaceInfo{} : *shop->second;

  const Outcome outcome = Inject(pod, "shop", &info, ConfigOf(folder));
  const std::string patch = Pretty(Json(outcome.has_patch ? PatchText(outcome.operations) : "[]"));
  const std::string patched = Pretty(pod);
  if (std::getenv("PODTAP_UPDATE_GOLDEN") != nullptr) {
    std::ofstream(folder / "patch.json") << patch;
    std::ofstream(folder / "patched.json") << patched;
  }
  EXPECT_EQ(patch, Read(folder / "patch.json"));
  EXPECT_EQ(patched, Read(folder / "patched.json"));
}

INSTANTIATE_TEST_SUITE_P(Webhook, Golden, testing::ValuesIn(Cases()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace podtap::webhook
