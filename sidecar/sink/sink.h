// SPDX-License-Identifier: Apache-2.0
// Sinks: where exchanges go. Encoders are pure (event in, bytes out); transports only move bytes; a SinkRunner joins
// one of each with a bounded queue and a thread of its own, so that a sink which blocks or disappears costs counted
// events and never capture. Whoever opens things by name is an Opener: a process without privilege gets descriptors
// handed to it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "sidecar/event/http_event.h"

namespace podtap {

enum class Format : uint8_t { kText, kEve, kEveStrict };

struct SinkAddress {
  enum class Kind : uint8_t { kStdout, kFile, kUnixStream, kUnixDatagram };
  Kind kind = Kind::kStdout;
  std::string path;
  bool operator==(const SinkAddress&) const = default;
  // "stdout", "file:/var/log/x", "unix:/run/x.sock", "unix-dgram:/run/x.sock"; anything else: a usage error, one line
  // that names the forms.
  static Result<SinkAddress> Parse(std::string_view text);
  std::string Text() const;
};

// Who this sidecar is; the same on every event. Empty strings are left out.
struct Identity {
  std::string namespace_name, pod, node, service;
  std::string run_id;  // random, per start
};

// Const and without shared state: one encoder may serve several threads. Whatever bytes an event holds, a record is one
// line of valid UTF-8.
class Encoder {
 public:
  virtual ~Encoder() = default;
  // Appends the whole record, with its terminator '\n'. `without_bodies`: leaves both bodies out and adds the tag
  // bodies_dropped.
  virtual void Encode(const HttpEvent& event, bool without_bodies, std::string& out) const = 0;
};

// One line for people; colours are ANSI escapes, for terminals only. Times of day are local time.
std::unique_ptr<Encoder> MakeTextEncoder(bool colours);
// Suricata EVE http records; strict: valid against Suricata's schema, otherwise with the `podtap` object.
std::unique_ptr<Encoder> MakeEveEncoder(Identity identity, bool strict);

// Opens what a sink address names, ready to write: O_APPEND for files, connected for sockets, a duplicate of standard
// output; O_NONBLOCK wherever that concerns nobody else. An error is one line that names the sink.
class Opener {
 public:
  virtual ~Opener() = default;
  virtual Result<UniqueFd> Open(const SinkAddress& address) = 0;
  // Moves PATH to PATH.1 (replacing it); the next Open makes a new file.
  virtual Status Rotate(const SinkAddress& address) = 0;
};
std::unique_ptr<Opener> MakeDirectOpener();

}  // namespace podtap
