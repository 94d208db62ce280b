// SPDX-License-Identifier: Apache-2.0
// HpackDecoder: the header compression of one direction of an HTTP/2 connection (RFC 7541), by nghttp2's inflater. What
// it adds is the truth about a table whose beginning was not seen:
//
// After a late join, or a hole that may hide header blocks, the encoder's dynamic table holds entries nobody knows. An
// encoder refers to entries by their age, newest first. So the table is filled with empty placeholders, as many as the
// smallest entries (32 bytes, RFC 7541 4.1) could fill it: what is inserted afterwards is found exactly, and what was
// there before is found as a placeholder, never as something else. A field that refers to a placeholder is unknown.
// An update of the table's size to 0 leaves nothing unknown.
//
// The size of the encoder's table is unknown, too. 4,096 bytes are taken, the default. If a block then refers to more
// than fits, it is decoded again with a table of 65,536 bytes; if that fails, the block is not decodable.
//
// Hostile peers: a block of a few bytes that does not decode makes thousands of placeholders necessary. So every
// placeholder is paid for with a byte of header blocks that was sent (frame headers count), kFreePlaceholders are given
// to each direction. A block for which there is no table because of that is not decodable, and counted (kHpackUnpaid);
// the next blocks pay for the next table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/counters.h"
#include "base/memory_budget.h"
#include "sidecar/http/counted_memory.h"
#include "sidecar/http/hpack_cutter.h"

struct nghttp2_hd_inflater;

namespace podtap {

class HpackDecoder {
 public:
  static constexpr size_t kSmallTable = 4096;
  static constexpr size_t kLargeTable = 65536;
  static constexpr size_t kLargestTable = 1 << 20;   // larger ones than this are not followed
  static constexpr size_t kMaxRetry = 65536;         // longer blocks are not decoded a second time
  static constexpr size_t kFreePlaceholders = 5120;  // also the most that is saved up

  class Handler {
   public:
    virtual ~Handler() = default;
    // An empty name: the name, or name and value, are unknown. Views are valid during the call.
    virtual void OnField(std::string_view name, std::string_view value) = 0;
    // A field whose name or value is longer than HpackCutter::kLongest bytes.
    virtual void OnLongField() = 0;
    // The block is decoded again from its start: forget its fields.
    virtual void OnRestart() = 0;
  };

  // Everything that is held is charged to the budget, at any time.
  HpackDecoder(MemoryBudget& budget, Counters& counters) : budget_(budget), counters_(counters), memory_(budget) {}
  ~HpackDecoder() { DropBlock(0); }
  HpackDecoder(const HpackDecoder&) = delete;
  HpackDecoder& operator=(const HpackDecoder&) = delete;

  // What the table holds is not known any more, nor what size of it was agreed on. Not inside a block.
  void Lose() {
    lost_ = true;
    Allow(kLargestTable);
  }
  // After all it is empty: nothing was sent before. Only before the first block.
  void Trust() { lost_ = lost_ && begun_; }
  // The peer allowed the encoder a table of this size (SETTINGS_HEADER_TABLE_SIZE).
  void Allow(size_t bytes);

  // The block that comes next may hold longer strings than HpackCutter::kLongest. Not inside a block.
  void ExpectLong() { cutter_.emplace(); }
  // The next fragment of a block; `last` ends it. False once the block turned out not to be decodable: the rest of it
  // need not be fed.
  bool Feed(std::string_view fragment, bool last, Handler& handler);
  // The block ends without its end: nothing is known of the table.
  void Abort();
  // Lets go of the table's memory, if there is any; true then. What it held is not known any more, and a block that is
  // being read cannot be decoded.
  bool Forget();

  // Placeholders made so far: the work that was not asked for by any field.
  uint64_t placeholders_made() const { return made_; }

 private:
  struct Free {
    void operator()(nghttp2_hd_inflater* inflater) const;
  };
  void Begin();
  void Earn(size_t bytes);
  void Make(size_t table);
  bool Fill(size_t table);
  bool Read(std::string_view data, bool last, Handler& handler);
  bool Inflate(std::string_view data, bool last, Handler* handler);
  void KeepForRetry(std::string_view fragment);
  void DropBlock(size_t kept);

  MemoryBudget& budget_;
  Counters& counters_;
  CountedMemory memory_;
  std::unique_ptr<nghttp2_hd_inflater, Free> inflater_;
  size_t allowed_ = kLargeTable;
  bool lost_ = false;
  bool begun_ = false;     // there was a block
  bool may_grow_ = false;  // there are placeholders, as many as fit into the small table: a larger one may help
  bool in_block_ = false;
  bool failed_ = false;                // this block
  bool retry_ = false;                 // a second table may help: block_ is kept
  size_t credit_ = kFreePlaceholders;  // placeholders that may be made
  uint64_t made_ = 0;
  std::string block_;
  std::optional<HpackCutter> cutter_;  // of this block
};

}  // namespace podtap
