// SPDX-License-Identifier: Apache-2.0
// ConfigFollower: looks whether the file that --config_file names is another one now. It is opened by name each time,
// because the kubelet replaces a mounted ConfigMap by renaming ..data. For one thread.
#pragma once

#include <sys/stat.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "sidecar/config.h"

namespace podtap {

class ConfigFollower {
 public:
  // The configuration that the command line makes with a file of this text; the error has a line per mistake.
  using Parse = std::function<Result<Config>(std::string_view text)>;
  // An empty path: there is no file, and never a change. `text` is what the file held when the configuration in force
  // was made; nothing: it could not be read.
  ConfigFollower(std::string path, Parse parse, std::optional<std::string> text);

  bool follows() const { return !path_.empty(); }
  // Nothing: the file is what it was when it was looked at last. A file that cannot be read is an error, once.
  std::optional<Result<Config>> Look();
  // What it held when it could be read last.
  const std::optional<std::string>& text() const { return text_; }

 private:
  const std::string path_;
  const Parse parse_;
  struct stat seen_{};
  std::optional<std::string> text_;
  std::string failure_;
};

}  // namespace podtap
