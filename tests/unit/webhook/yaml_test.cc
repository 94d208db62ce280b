// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/webhook/pods.h"
#include "webhook/namespaces_file.h"
#include "webhook/offline.h"
#include "webhook/yaml_json.h"
#include "webhook/yaml_scalar.h"

namespace podtap::webhook {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

json::value Only(std::string_view text) {
  const auto documents = ParseYaml(text);
  EXPECT_TRUE(documents) << (documents ? "" : documents.error().message);
  return documents && documents->size() == 1 ? ToJson((*documents)[0]) : json::value("not one document");
}

TEST(Yaml, WordsMeanWhatKubernetesTakesThemFor) {
  EXPECT_EQ(
      Only("[true, False, null, ~, 12, -3, 0644, 0x1f, 0o17, 1.5, 1e3, 12abc, v1, '12', \"true\", 1.2.3, !!str 7]"),
      Json(R"([true,false,null,null,12,-3,420,31,15,1.5,1000.0,"12abc","v1","12","true","1.2.3","7"])"));
}

TEST(Yaml, AnchorsAliasesAndMergeKeysAreResolved) {
  EXPECT_EQ(Only("a: &x {k: 1, l: 2}\nb: *x\nc:\n  <<: *x\n  l: 3\n"),
            Json(R"({"a":{"k":1,"l":2},"b":{"k":1,"l":2},"c":{"l":3,"k":1}})"));
}

TEST(Yaml, ABracketMayCloseInTheColumnOfItsKey) {
  EXPECT_EQ(Only("a:\n  b: {\n    k: 1\n  }\n  c: [\n    2\n  ]\nd: [\n3\n]\n"),
            Json(R"({"a":{"b":{"k":1},"c":[2]},"d":[3]})"));
}

TEST(Yaml, AliasesThatGrowWithoutEndAreRefused) {
  std::string text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) text += (k > 0 ? "," : "") + before;
    text += "]\n";
  }
  const auto documents = ParseYaml(text);
  ASSERT_FALSE(documents);
  EXPECT_THAT(documents.error().message, HasSubstr("more than 1000000 values"));
}

TEST(Yaml, AnchorsWithinAnchorsAreCounted) {
  std::string text;
  for (int i = 0; i < 60; ++i) text += "&a" + std::to_string(i) + " [";
  for (int i = 0; i < 20000; ++i) text += "x,";
  text += std::string(60, ']');
  const auto documents = ParseYaml(text);
  ASSERT_FALSE(documents);
  EXPECT_THAT(documents.error().message, HasSubstr("more than 1000000 values"));
}

TEST(Yaml, WhatIsNotUtf8IsRefused) {
  for (const char* text :
       {"a: 1\nbc: \x8f\n", "a: 1\n%x: \x8f\x8f\n", "a: 1\nbc: \xc3\n", "a: 1\nbc: \xed\xa0\x80\n"}) {
    const auto documents = ParseYaml(text);
    ASSERT_FALSE(documents) << text;
    EXPECT_THAT(documents.error().message,
                testing::MatchesRegex("line 2, column [45]: not UTF-8; save the file as UTF-8 text"));
  }
  EXPECT_EQ(Only("a: \u00fc\U0001f600"), Json("{\"a\":\"\u00fc\U0001f600\"}"));
}

TEST(Yaml, DeepNestingIsRefusedAndErrorsNameTheirPlace) {
  EXPECT_FALSE(ParseYaml(std::string(5000, '[') + std::string(5000, ']')));
  const auto broken = ParseYaml("a: 1\nb: [1, 2\nc: }\n");
  ASSERT_FALSE(broken);
  EXPECT_THAT(broken.error().message, HasSubstr("line "));
}

TEST(Yaml, ErrorsNameTheLineOfTheWholeTextAndPrintNothing) {
  const auto error_of = [](std::string_view text) {
    testing::internal::CaptureStderr();
    const auto documents = ParseYaml(text);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    return documents ? "none" : documents.error().message;
  };
  EXPECT_EQ(error_of("b: 1\na: |0\n  x\n"), "line 2: indentation indicator 0");
  EXPECT_EQ(error_of("{\"a\":1}\n{\"b\":1}\n\n{\"k\":}}"),
            "line 4, column 7: flow mapping with invalid extra closing brace");
  EXPECT_EQ(error_of("b: 1\na: *b\n"), "line 2: an alias names no anchor");
}

TEST(Yaml, EmptyDocumentsAreLeftOutAndJsonTextsMayFollowOneAnother) {
  EXPECT_EQ(ParseYaml("---\n---\na: 1\n---\n# nothing\n---\nb: 2\n")->size(), 2u);
  EXPECT_EQ(ParseYaml("{\"a\":\"}{\"}\n{\"b\":2}{\"c\":3}\n")->size(), 3u);
  EXPECT_EQ(ParseYaml("")->size(), 0u);
}

TEST(Yaml, AStringIsWrittenSoThatItStaysOne) {
  for (const char* text : {"true", "no",  "12", "",  " x", "a: b", "-", "~",  "x\ny", "a'b\"c",   "\"",
                           "0x1",  "1e3", "#x", "é", "*a", "&a",   "{", "\\", "null", "--flag=1", R"({"a":"b"})"}) {
    const std::string written = "k: " + WriteScalar(json::value(text)) + "\n";
    EXPECT_EQ(Only(written), json::value({{"k", text}})) << written;
  }
  EXPECT_EQ(WriteScalar(json::value("podtap-sidecar")), "podtap-sidecar");
}

TEST(Namespaces, AreReadFromYamlJsonAndLists) {
  const auto namespaces = ParseNamespaces(
      "kind: Namespace\nmetadata: {name: a, labels: {traceableai-mirror: enabled}}\n---\n"
      "kind: List\nitems:\n- kind: Namespace\n  metadata: {name: b, annotations: {x: \"y\"}}\n- kind: Pod\n  metadata: "
      "{name: p}\n"
      "---\n{\"kind\":\"NamespaceList\",\"items\":[{\"metadata\":{\"name\":\"c\",\"labels\":null}}]}\n");
  ASSERT_TRUE(namespaces) << namespaces.error().message;
  EXPECT_EQ(namespaces->size(), 3u);
  EXPECT_EQ(*namespaces->at("a")->Label("traceableai-mirror"), "enabled");
  EXPECT_EQ(*namespaces->at("b")->Annotation("x"), "y");
  EXPECT_EQ(namespaces->at("c")->Label("x"), nullptr);
}

constexpr std::string_view kShop = R"(# Namespace and workload of the shop.
apiVersion: v1
kind: Namespace
metadata:
  name: shop
  labels: {traceableai-mirror: enabled}   # captured
---
apiVersion: apps/v1
kind: Deployment   # the cart
metadata:
  name: cart
  namespace: shop
spec:
  template:
    metadata:
      labels:
        app: "cart"
      annotations:
        motto: |
          # not a comment
          sell

    spec:
      # the containers
      containers:
        # our own
        - name: app
          image: nginx:1   # pinned
      restartPolicy: Always
      # the end
)";

// Lines of `after` that are not in `before`, and the other way round, by longest common subsequence of lines.
struct LineDiff {
  std::vector<std::string> added, removed;
};
std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size() - 1);
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(end + 1);
  }
  return lines;
}
LineDiff Diff(std::string_view before_text, std::string_view after_text) {
  const auto before = Lines(before_text), after = Lines(after_text);
  std::vector<std::vector<size_t>> common(before.size() + 1, std::vector<size_t>(after.size() + 1));
  for (size_t i = before.size(); i-- > 0;)
    for (size_t k = after.size(); k-- > 0;)
      common[i][k] = before[i] == after[k] ? common[i + 1][k + 1] + 1 : std::max(common[i + 1][k], common[i][k + 1]);
  LineDiff diff;
  size_t i = 0, k = 0;
  while (i < before.size() || k < after.size()) {
    if (i < before.size() && k < after.size() && before[i] == after[k])
      ++i, ++k;
    else if (k == after.size() || (i < before.size() && common[i + 1][k] >= common[i][k + 1]))
      diff.removed.push_back(before[i++]);
    else
      diff.added.push_back(after[k++]);
  }
  return diff;
}

OfflineOutput InjectedText(std::string_view text, const InjectorConfig& config = TestConfig()) {
  const auto output = InjectText({.text = text, .namespaces = {}}, config);
  EXPECT_TRUE(output) << (output ? "" : output.error().message);
  return output ? *output : OfflineOutput{};
}

TEST(Offline, InjectOnlyAddsLinesAndUninjectTakesThemAway) {
  const OfflineOutput output = InjectedText(kShop);
  EXPECT_THAT(output.edited.rewritten, IsEmpty());
  const LineDiff diff = Diff(kShop, output.edited.text);
  EXPECT_THAT(diff.removed, IsEmpty());
  EXPECT_GT(diff.added.size(), 50u);
  EXPECT_EQ(UninjectText(output.edited.text)->text, kShop);
  EXPECT_EQ(InjectedText(output.edited.text).edited.text, output.edited.text) << "a second time changes nothing";
}

TEST(Offline, TheEditedFileMeansWhatThePatchSays) {
  const OfflineOutput output = InjectedText(kShop);
  const auto before = ParseYaml(kShop);
  json::value expected = ToJson((*before)[1]);
  NamespaceInfo shop;
  shop.labels["traceableai-mirror"] = "enabled";
  Inject(expected.at_pointer("/spec/template"), "shop", &shop, TestConfig());
  EXPECT_EQ(ToJson((*ParseYaml(output.edited.text))[1]), expected);
}

TEST(Offline, EveryKindOfWorkloadIsFound) {
  const std::string spec =
      "{metadata: {annotations: {mirror.traceable.ai/enabled: 'true'}}, spec: {containers: [{name: a}]}}";
  std::string text;
  for (const char* kind : {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job"})
    text += "kind: " + std::string(kind) + "\nmetadata: {name: w}\nspec: {template: " + spec + "}\n---\n";
  text += "kind: CronJob\nmetadata: {name: w}\nspec: {jobTemplate: {spec: {template: " + spec + "}}}\n---\n";
  text +=
      "kind: List\nitems:\n- kind: Pod\n  metadata: {name: w, annotations: {mirror.traceable.ai/enabled: 'true'}}\n"
      "  spec: {containers: [{name: a}]}\n- kind: Service\n  metadata: {name: s}\n";
  const OfflineOutput output = InjectedText(text);
  std::vector<std::string> kinds;
  for (const Explanation& e : output.explanations) {
    EXPECT_EQ(e.decision.reason, Reason::kPodEnabled) << e.kind;
    kinds.push_back(e.kind);
  }
  EXPECT_THAT(kinds, ElementsAre("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"));
  EXPECT_THAT(output.edited.rewritten, IsEmpty());
  EXPECT_EQ(UninjectText(output.edited.text)->text, text);
}

TEST(Offline, ANamespaceMayStandBehindItsWorkloads) {
  const OfflineOutput output = InjectedText(
      "kind: Pod\nmetadata: {name: p, namespace: x}\nspec: {containers: [{name: a}]}\n---\n"
      "kind: Namespace\nmetadata: {name: x, labels: {traceableai-mirror: enabled}}\n");
  EXPECT_EQ(output.explanations.at(0).decision.reason, Reason::kNamespaceEnabled);
}

// Shapes in which people write the same pod.
class Layouts : public testing::TestWithParam<const char*> {};

TEST_P(Layouts, AreEditedInPlaceBothWays) {
  for (Injection injection : {Injection::kNative, Injection::kContainer}) {
    InjectorConfig config = TestConfig();
    config.injection = injection;
    config.mirror_all_namespaces = true;
    const OfflineOutput output = InjectedText(GetParam(), config);
    ASSERT_EQ(output.explanations.size(), 1u);
    EXPECT_TRUE(output.explanations[0].decision.inject);
    EXPECT_THAT(output.edited.rewritten, IsEmpty()) << output.edited.text;
    const auto again = InjectedText(output.edited.text, config);
    EXPECT_EQ(again.explanations[0].decision.reason, Reason::kAlreadyInjected) << output.edited.text;
    const auto back = UninjectText(output.edited.text);
    ASSERT_TRUE(back);
    EXPECT_EQ(back->text, GetParam());
  }
}

INSTANTIATE_TEST_SUITE_P(
    AsWritten, Layouts,
    testing::Values("kind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n  - name: a\n    image: b\n",
                    "kind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n    - name: a\n      args: [x,\n        "
                    "y]\n    - name: b\n",
                    // No line feed at the end.
                    "kind: Pod\nmetadata:\n  name: a\nspec:\n  containers:\n  - name: a",
                    "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"containers\":[{\"name\":\"a\"}]}}",
                    "{\n  \"kind\": \"Pod\",\n  \"metadata\": {\n    \"name\": \"a\"\n  },\n  \"spec\": {\n    "
                    "\"containers\": [\n      {\n"
                    "        \"name\": \"a\"\n      }\n    ]\n  }\n}\n",
                    "{\n\t\"kind\": \"Pod\",\n\t\"metadata\": {\"name\": \"a\"},\n\t\"spec\": {\"containers\": "
                    "[{\"name\": \"a\"}]}\n}\n",
                    // Other meshes, and maps that hold something already.
                    "kind: Pod\nmetadata:\n  labels: {app: a}\n  annotations:\n    x: 'y'   # why\n  name: a\nspec:\n  "
                    "initContainers:\n"
                    "  # first\n  - name: istio-init\n  containers:\n  - name: a\n  volumes:\n  - name: v\n    "
                    "emptyDir: {}\n  # last\n",
                    // Windows line ends.
                    "kind: Pod\r\nmetadata:\r\n  name: a\r\nspec:\r\n  containers:\r\n  - name: a\r\n    image: b\r\n",
                    // A literal at the very end, with blank lines that belong to nobody.
                    "kind: Pod\nmetadata:\n  name: a\n  annotations:\n    note: |\n      one\n\n      two\n\n\nspec:\n "
                    " containers:\n  - name: a\n"
                    "    command:\n    - sh\n    - -c\n    - |\n      echo\n      # done\n",
                    // Indented sequences, comments everywhere, and keys in an order of their own.
                    "# top\nspec:\n    containers:   # c\n\n      # before\n      -   name: a   # n\n          image: "
                    "i\n    # after\n"
                    "metadata:\n    name: x\nkind: Pod\n# bottom\n",
                    "---\n# only one\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a}]}\n...\n"));

TEST(Offline, WhatIsEmptyOrNullIsFilledIn) {
  const std::string text =
      "kind: Pod\nmetadata:\n  labels:\n  annotations: {}   # none\n  name: a\nspec:\n  initContainers: null\n  "
      "volumes: []\n"
      "  containers: [{name: a}]\n";
  InjectorConfig config = TestConfig();
  config.mirror_all_namespaces = true;
  const OfflineOutput output = InjectedText(text, config);
  EXPECT_THAT(output.edited.rewritten, IsEmpty());
  EXPECT_THAT(output.edited.text, HasSubstr("annotations:   # none\n    mirror.traceable.ai/status: "));
  EXPECT_THAT(output.edited.text, HasSubstr("labels:\n    mirror.traceable.ai/injected: \"true\"\n"));
  const json::value back = ToJson((*ParseYaml(UninjectText(output.edited.text)->text))[0]);
  EXPECT_EQ(back, Json(R"({"kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"a"}]}})"));
}

TEST(Offline, AnAliasThatHasToDifferIsWrittenOutInItsPlace) {
  const std::string text =
      "kind: Deployment   # kept\nmetadata: {name: a}\nspec:\n  selector:\n    matchLabels: &labels\n      app: a  # "
      "kept\n"
      "  template:\n    metadata:\n      labels: *labels  # kept\n    spec:\n      containers:\n      - name: a\n";
  InjectorConfig config = TestConfig();
  config.mirror_all_namespaces = true;
  const OfflineOutput output = InjectedText(text, config);
  EXPECT_THAT(output.edited.rewritten, IsEmpty());
  EXPECT_THAT(Diff(text, output.edited.text).removed, ElementsAre("      labels: *labels  # kept"));
  EXPECT_THAT(output.edited.text,
              HasSubstr("      labels:  # kept\n        app: a\n        mirror.traceable.ai/injected: \"true\"\n"));
  const json::value meant = ToJson((*ParseYaml(output.edited.text))[0]);
  EXPECT_EQ(At(meant, "/spec/selector/matchLabels"), Json(R"({"app":"a"})")) << "the anchor's own value stays";
}

TEST(Offline, WhatCannotBeEditedInPlaceIsWrittenAnewAndRight) {
  // Labels that something else is said to equal.
  const std::string text =
      "kind: Pod\nmetadata:\n  name: a\n  labels: &labels {app: a}\nbase: *labels\nspec:\n  containers:\n  - name: a\n";
  // A tag would stay in front of another value.
  const std::string tagged =
      "kind: Pod\nmetadata:\n  name: a\nspec: {containers: [{name: a}], initContainers: !!null 'null'}\n";
  InjectorConfig config = TestConfig();
  config.mirror_all_namespaces = true;
  const OfflineOutput output = InjectedText(text, config);
  EXPECT_THAT(output.edited.rewritten, ElementsAre(0));
  const json::value meant = ToJson((*ParseYaml(output.edited.text))[0]);
  EXPECT_EQ(TextAt(meant, "/metadata/labels/mirror.traceable.ai~1injected"), "true");
  EXPECT_EQ(At(meant, "/base"), Json(R"({"app":"a"})"));
  EXPECT_THAT(InjectedText(tagged, config).edited.text, Not(HasSubstr("!!null")));
}

TEST(Offline, UninjectLeavesWhatIsNotOurs) {
  const std::string foreign =
      "kind: Pod\nmetadata: {name: a}\nspec:\n  containers:\n  - name: podtap\n  volumes:\n  - name: podtap-run\n";
  EXPECT_EQ(UninjectText(foreign)->text, foreign);
  const std::string listed =
      "kind: Pod\nmetadata:\n  name: a\n  annotations:\n    "
      "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes: \"cache\"\n"
      "    kubectl.kubernetes.io/default-container: \"a\"\n    mirror.traceable.ai/enabled: \"true\"\nspec:\n  "
      "containers:\n  - name: a\n";
  InjectorConfig config = TestConfig();
  config.injection = Injection::kContainer;
  EXPECT_EQ(UninjectText(InjectedText(listed, config).edited.text)->text, listed);
}

TEST(Explain, ADaemonSetIsJudgedAsItsPodsAre) {
  const auto reason_of = [](const std::string& kind) {
    const OfflineOutput output = InjectedText("apiVersion: apps/v1\nkind: " + kind +
                                              "\nmetadata: {name: logs}\nspec:\n  template:\n    metadata: "
                                              "{annotations: {mirror.traceable.ai/enabled: 'true'}}\n"
                                              "    spec:\n      tolerations: [{key: virtual-kubelet.io/provider, "
                                              "operator: Exists}]\n      containers: [{name: a}]\n");
    return output.explanations.at(0).decision.reason;
  };
  EXPECT_EQ(reason_of("DaemonSet"), Reason::kPodEnabled);
  EXPECT_EQ(reason_of("Deployment"), Reason::kPlatform);
}

TEST(Explain, SaysPerWorkloadWhatAndWhyAndWhoDecided) {
  const OfflineOutput output = InjectedText(kShop);
  EXPECT_EQ(ExplanationTable(output.explanations),
            "WORKLOAD              DECISION  REASON             DECIDED BY                                  MODE     "
            "MODE DECIDED BY\n"
            "shop/Deployment/cart  inject    namespace-enabled  namespace label traceableai-mirror=enabled  ingress  "
            "--default_mode=ingress\n");
  const json::value array = Json(ExplanationJson(output.explanations));
  EXPECT_EQ(
      array.at(0),
      Json(R"({"kind":"Deployment","name":"cart","namespace":"shop","decision":"inject",)"
           R"("reason":"namespace-enabled","decided_by":"namespace label traceableai-mirror=enabled",)"
           R"("mode":"ingress","mode_from":"default","mode_decided_by":"--default_mode=ingress","warnings":[]})"));
}

TEST(Explain, ColumnsStandBelowEachOtherWhateverTheScript) {
  const OfflineOutput output = InjectedText(
      "kind: Pod\nmetadata: {name: größe}\nspec: {containers: [{name: a}]}\n---\n"
      "kind: Pod\nmetadata: {name: grosse}\nspec: {containers: [{name: a}]}\n");
  const auto lines = Lines(ExplanationTable(output.explanations));
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[1].find("skip"), lines[2].find("skip") + 2) << "two letters are of two bytes each";
}

}  // namespace
}  // namespace podtap::webhook
