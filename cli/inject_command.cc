// SPDX-License-Identifier: Apache-2.0
#include "cli/inject_command.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <iostream>

#include "base/read_file.h"
#include "webhook/offline.h"
#include "webhook/options.h"
#include "webhook/version.h"

namespace podtap {
namespace {

using webhook::OptionInfo;

constexpr size_t kMaxInputBytes = 64 << 20;

constexpr OptionInfo kFileOptions[] = {
    {"f", "", "The file to read, or - for standard input."},
};
constexpr OptionInfo kNamespaceOptions[] = {
    {"namespaces_file", "", "Namespace objects in YAML or JSON, besides those of the input."},
    {"n", "default", "The namespace of objects that name none."},
};
constexpr OptionInfo kExplainOptions[] = {
    {"o", "table", "What to print: table or json."},
};

struct Settings {
  std::string file;
  std::string namespaces_file;
  std::string default_namespace = "default";
  std::string output = "table";
  webhook::InjectorConfig injector;
};

int Fail(const Error& error) {
  std::cerr << "podtap: " << error.message << "\n";
  return error.exit_code;
}

Result<std::string> ReadInput(const std::string& file) {
  if (file.empty()) return UsageError("-f FILE is required; -f - reads standard input");
  auto text = file == "-" ? ReadDescriptor(STDIN_FILENO, "standard input", kMaxInputBytes + 1)
                          : ReadFile(file, kMaxInputBytes + 1);
  if (text && text->size() > kMaxInputBytes) return UsageError(file + " is larger than 64 MiB");
  return text;
}

Status Apply(Settings& settings, const std::string& name, const std::string& value) {
  if (name == "f") {
    settings.file = value;
  } else if (name == "n") {
    if (value.empty()) return UsageError("-n needs the name of a namespace");
    settings.default_namespace = value;
  } else if (name == "namespaces_file") {
    settings.namespaces_file = value;
  } else if (name == "o") {
    if (value != "table" && value != "json") return UsageError("-o " + value + " is not known; use table or json");
    settings.output = value;
  } else {
    return ApplyOption(settings.injector, name, value);
  }
  return {};
}

// Nothing, and `done` set, if only help was asked for.
Result<Settings> ParseSettings(const std::vector<std::string>& args,
                               std::span<const std::span<const OptionInfo>> tables, std::string_view what, bool& done) {
  const auto parsed = webhook::ParseOptions(args, tables);
  if (!parsed) return std::unexpected(parsed.error());
  Settings settings;
  // For files the image of this version will do, until an operator says which.
  settings.injector.image = "podtap-sidecar:" + std::string(webhook::kVersion);
  done = parsed->help || parsed->version;
  if (parsed->help) std::cout << what << "\n" << webhook::OptionHelp(tables);
  if (parsed->version) std::cout << "podtap " << webhook::kVersion << "\n";
  if (done) return settings;
  for (const auto& [name, value] : parsed->options)
    if (Status ok = Apply(settings, name, value); !ok) return std::unexpected(ok.error());
  if (Status ok = CheckConfig(settings.injector); !ok) return std::unexpected(ok.error());
  return settings;
}

Result<webhook::OfflineOutput> Decide(const Settings& settings, std::string& text) {
  auto input_text = ReadInput(settings.file);
  if (!input_text) return std::unexpected(input_text.error());
  text = *std::move(input_text);
  webhook::OfflineInput input{.text = text, .namespaces = {}, .default_namespace = settings.default_namespace};
  if (!settings.namespaces_file.empty()) {
    const auto namespaces_text = ReadFile(settings.namespaces_file, kMaxInputBytes);
    if (!namespaces_text) return std::unexpected(namespaces_text.error());
    auto namespaces = webhook::ParseNamespaces(*namespaces_text);
    if (!namespaces) return UsageError(settings.namespaces_file + ": " + namespaces.error().message);
    input.namespaces = *std::move(namespaces);
  }
  auto output = InjectText(input, settings.injector);
  if (!output) return UsageError(settings.file + ": " + output.error().message);
  return output;
}

void NoteRewritten(const webhook::EditedText& edited) {
  for (const size_t document : edited.rewritten)
    std::cerr << "podtap: document " << document + 1
              << " could not be edited in place (an anchor that has to differ, or an unusual layout); it was written "
                 "anew, without comments\n";
}

int Print(std::string_view text) {
  std::cout << text << std::flush;
  return std::cout ? 0 : Fail({"cannot write to standard output", Error::kEnvironment});
}

}  // namespace

int InjectCommand(const std::vector<std::string>& args) {
  const std::array<std::span<const OptionInfo>, 3> tables = {kFileOptions, kNamespaceOptions,
                                                             webhook::InjectorOptions()};
  bool done = false;
  const auto settings = ParseSettings(
      args, tables, "podtap inject -f FILE|-: adds the sidecar to the workloads of a file as the webhook would.", done);
  if (!settings) return Fail(settings.error());
  if (done) return 0;
  std::string text;
  const auto output = Decide(*settings, text);
  if (!output) return Fail(output.error());
  for (const webhook::Explanation& e : output->explanations) {
    std::cerr << e.namespace_name << "/" << e.kind << "/" << e.name << ": "
              << (webhook::Injects(e.decision.reason) ? "injected" : "skipped") << " ("
              << webhook::TextOf(e.decision.reason) << ", " << e.decision.decided_by << ")\n";
    for (const std::string& warning : e.warnings) std::cerr << "  warning: " << warning << "\n";
  }
  NoteRewritten(output->edited);
  return Print(output->edited.text);
}

int UninjectCommand(const std::vector<std::string>& args) {
  const std::array<std::span<const OptionInfo>, 1> tables = {kFileOptions};
  bool done = false;
  const auto settings =
      ParseSettings(args, tables, "podtap uninject -f FILE|-: takes the sidecar out of the workloads of a file.", done);
  if (!settings) return Fail(settings.error());
  if (done) return 0;
  const auto text = ReadInput(settings->file);
  if (!text) return Fail(text.error());
  const auto edited = webhook::UninjectText(*text);
  if (!edited) return Fail({settings->file + ": " + edited.error().message, Error::kUsage});
  NoteRewritten(*edited);
  return Print(edited->text);
}

int ExplainCommand(const std::vector<std::string>& args) {
  const std::array<std::span<const OptionInfo>, 4> tables = {kFileOptions, kExplainOptions, kNamespaceOptions,
                                                             webhook::InjectorOptions()};
  bool done = false;
  const auto settings = ParseSettings(
      args, tables, "podtap explain -f FILE|-: says for each workload what the webhook would decide, and why.", done);
  if (!settings) return Fail(settings.error());
  if (done) return 0;
  std::string text;
  const auto output = Decide(*settings, text);
  if (!output) return Fail(output.error());
  return Print(settings->output == "json" ? ExplanationJson(output->explanations)
                                          : ExplanationTable(output->explanations));
}

}  // namespace podtap
