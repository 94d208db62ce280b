// SPDX-License-Identifier: Apache-2.0
// Fuzzes the configuration file. Promises that are checked: what is wrong has lines that begin with the file's name and
// a number; what is right can be shown; and the same text means the same again.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "sidecar/config.h"

namespace podtap {
namespace {

void Promise(bool kept) {
  if (!kept) std::abort();
}

Result<Config> Parse(std::string_view text) {
  const char* const arguments[] = {"podtap-sidecar", "--config_file=F"};
  auto parsed = ParseCommandLine(2, arguments, {}, text).command_line;
  if (!parsed) return std::unexpected(parsed.error());
  return std::move(parsed->config);
}

}  // namespace
}  // namespace podtap

// libfyaml does not free all it holds where a text is no YAML.
extern "C" const char* __lsan_default_suppressions() {
  return "leak:libfyaml";
}  // NOLINT(bugprone-reserved-identifier)

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace podtap;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto config = Parse(text);
  if (!config) {
    Promise(config.error().message.starts_with("F:"));
    return 0;
  }
  Promise(config->Json().find('\n') == std::string::npos);
  auto again = Parse(text);
  Promise(again.has_value());
  again->identity.run_id = config->identity.run_id;
  Promise(*again == *config);
  return 0;
}
