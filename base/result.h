// SPDX-License-Identifier: Apache-2.0
// Result<T>: the outcome of something that the environment can refuse (a file, a socket, a BPF object). A broken
// promise of our own is a CHECK instead, and bad bytes from a peer are neither: they are an ordinary outcome, counted.
#pragma once

#include <cerrno>
#include <cstring>
#include <expected>
#include <string>
#include <utility>

namespace podtap {

// What went wrong, as one line that says what to do. `exit_code` is what a program that cannot go on exits with:
// kUsage for what the user typed, kEnvironment for what the machine refused.
struct Error {
  static constexpr int kUsage = 2;
  static constexpr int kEnvironment = 1;
  std::string message;
  int exit_code = kEnvironment;
};

template <typename T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> UsageError(std::string message) {
  return std::unexpected(Error{std::move(message), Error::kUsage});
}
inline std::unexpected<Error> EnvironmentError(std::string message) {
  return std::unexpected(Error{std::move(message), Error::kEnvironment});
}
// "<context>: <strerror(error)>".
inline std::unexpected<Error> ErrnoError(std::string context, int error = errno) {
  char text[128];
  return EnvironmentError(std::move(context) + ": " + strerror_r(error, text, sizeof(text)));
}

}  // namespace podtap
