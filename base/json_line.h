// SPDX-License-Identifier: Apache-2.0
// JsonLine builds one flat JSON object on one line, for the log and the admin endpoint. Not for exchanges: the EVE
// encoder has its own appender. Text is escaped; bytes that are not ASCII are passed through if they are printable
// UTF-8 lead or continuation bytes (configuration is the operator's, not the network's).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace podtap {

class JsonLine {
 public:
  JsonLine& Text(std::string_view key, std::string_view value);
  JsonLine& Number(std::string_view key, uint64_t value);
  JsonLine& Bool(std::string_view key, bool value);
  JsonLine& List(std::string_view key, const std::vector<std::string>& values);
  // `json` is a JSON value already.
  JsonLine& Raw(std::string_view key, std::string_view json);
  // The finished object; the builder is empty afterwards.
  std::string Finish();

 private:
  void Key(std::string_view key);
  std::string text_ = "{";
};

}  // namespace podtap
