// SPDX-License-Identifier: Apache-2.0
#include "sidecar/config_follower.h"

#include <utility>

#include "sidecar/config_file.h"

namespace podtap {
namespace {

bool IsSame(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec;
}

}  // namespace

ConfigFollower::ConfigFollower(std::string path, Parse parse, std::optional<std::string> text)
    : path_(std::move(path)), parse_(std::move(parse)), text_(std::move(text)) {
  if (!follows() || text_) return;
  // That it cannot be read was told at the start.
  if (const auto again = ReadConfigFile(path_); !again) failure_ = again.error().message;
}

std::optional<Result<Config>> ConfigFollower::Look() {
  if (!follows()) return std::nullopt;
  struct stat now{};
  if (stat(path_.c_str(), &now) == 0 && failure_.empty() && IsSame(now, seen_)) return std::nullopt;
  auto text = ReadConfigFile(path_);
  if (!text) {
    if (std::exchange(failure_, text.error().message) == text.error().message) return std::nullopt;
    return std::unexpected(text.error());
  }
  seen_ = now;
  failure_.clear();
  if (text_ == *text) return std::nullopt;
  text_ = *std::move(text);
  return parse_(*text_);
}

}  // namespace podtap
