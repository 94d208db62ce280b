// SPDX-License-Identifier: Apache-2.0
#include "sidecar/start_log.h"

#include <glog/logging.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

#include "base/json_line.h"
#include "sidecar/version.h"

namespace podtap {
namespace {

// PRETTY_NAME of /etc/os-release; inside a container that is the image's.
std::string OsName() {
  std::ifstream file("/etc/os-release");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("PRETTY_NAME=")) continue;
    line.erase(0, sizeof("PRETTY_NAME=") - 1);
    if (line.size() >= 2 && line.front() == '"' && line.back() == '"') line = line.substr(1, line.size() - 2);
    return line;
  }
  return "Linux";
}

}  // namespace

std::string SystemJson() {
  utsname name{};
  uname(&name);
  JsonLine line;
  line.Text("os", OsName()).Text("kernel", name.release).Text("architecture", name.machine);
  line.Bool("btf", access("/sys/kernel/btf/vmlinux", R_OK) == 0).Text("version", kVersion);
  return line.Finish();
}

void SetLogLevel(LogLevel level) {
  FLAGS_minloglevel = level == LogLevel::kError     ? google::GLOG_ERROR
                      : level == LogLevel::kWarning ? google::GLOG_WARNING
                                                    : google::GLOG_INFO;
  FLAGS_v = level == LogLevel::kDebug ? 1 : 0;
}

void StartLog(const char* program, const Config& config) {
  FLAGS_logtostderr = true;
  SetLogLevel(config.log_level);
  google::InitGoogleLogging(program);
  LOG(INFO) << "configuration " << config.Json();
  LOG(INFO) << "system " << SystemJson();
}

}  // namespace podtap
