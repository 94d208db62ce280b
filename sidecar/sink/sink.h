// SPDX-License-Identifier: Apache-2.0
// Sinks: where exchanges go. Encoders are pure (event in, bytes out); transports only move bytes; a SinkRunner joins
// one of each with a bounded queue and a thread of its own, so that a sink which blocks or disappears costs counted
// events and never capture. Whoever opens things by name is an Opener: a process without privilege gets descriptors
// handed to it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "sidecar/event/http_event.h"

namespace podtap {

enum class Format : uint8_t { kText, kEve, kEveStrict, kProto, kOtlp };
std::string_view TextOf(Format format);
// What --format and `format=` may say. kOtlp is not among them: an otlp: sink has it, and no other.
Result<Format> ParseFormat(std::string_view text);

struct SinkAddress {
  enum class Kind : uint8_t { kStdout, kFile, kUnixStream, kUnixDatagram, kOtlp };
  Kind kind = Kind::kStdout;
  std::string path;     // of kOtlp: the URL of the traces endpoint
  bool framed = false;  // records are length-delimited, not lines
  bool operator==(const SinkAddress&) const = default;
  bool is_socket() const { return kind == Kind::kUnixStream || kind == Kind::kUnixDatagram; }
  // "stdout", "file:/var/log/x", "unix:/run/x.sock", "unix-dgram:/run/x.sock", "otlp:http://host:4318"; anything else:
  // a usage error, one line that names the forms.
  static Result<SinkAddress> Parse(std::string_view text);
  std::string Text() const;
};

struct SinkConfig {
  SinkAddress address;
  Format format = Format::kEve;
  bool operator==(const SinkConfig&) const = default;
  std::string Text() const;  // as --sink takes it, with its format
};

inline constexpr size_t kMaxSinks = 8;

// The --sink list: ADDRESS[?format=FORMAT], separated by commas; inside an address a comma is written %2C, a question
// mark %3F and a percent sign %25. Usage errors: more than kMaxSinks, the same address twice, an unknown parameter.
Result<std::vector<SinkConfig>> ParseSinks(std::string_view list, Format default_format);

// Who this sidecar is; the same on every event. Empty strings are left out.
struct Identity {
  std::string namespace_name, pod, node, service;
  std::string run_id;  // random, per start
  std::string pod_uid{}, environment{};
  bool operator==(const Identity&) const = default;
};

// Const and without shared state: one encoder may serve several threads. Whatever bytes an event holds, a record of a
// text format is one line of valid UTF-8.
class Encoder {
 public:
  virtual ~Encoder() = default;
  // Appends the whole record, with its terminator '\n' or behind its length. `without_bodies`: leaves both bodies out
  // and adds the tag bodies_dropped.
  virtual void Encode(const HttpEvent& event, bool without_bodies, std::string& out) const = 0;
};

// One line for people; colours are ANSI escapes, for terminals only. Times of day are local time.
std::unique_ptr<Encoder> MakeTextEncoder(bool colours);
// Suricata EVE http records; strict: valid against Suricata's schema, otherwise with the `podtap` object.
std::unique_ptr<Encoder> MakeEveEncoder(Identity identity, bool strict);
// podtap.v1.HttpEvent (proto/podtap/v1/http_event.proto), each behind its length as a varint.
std::unique_ptr<Encoder> MakeProtoEncoder(Identity identity);

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

// A sink at work: it has a bounded queue and a thread of its own. Push() never blocks.
class Sink {
 public:
  using Clock = std::chrono::steady_clock;
  virtual ~Sink() = default;
  // One batch; takes a share of each event, never a copy of its bodies. Thread-safe.
  virtual void Push(std::span<const HttpEventPtr> events) = 0;
  // Whether pushing more now could cost events that a moment later would find room. Thread-safe, cheap.
  virtual bool Busy() const { return false; }
  // SIGHUP: closes and opens a file again. Async.
  virtual void Reopen() {}
  // From now on writes what is queued until `deadline`, and takes nothing new.
  virtual void AskStop(Clock::time_point deadline) = 0;
  // After AskStop(): waits until it ended, hardly longer than the deadline. Returns how many exchanges could not be
  // delivered.
  virtual size_t AwaitStop() = 0;
};

}  // namespace podtap
