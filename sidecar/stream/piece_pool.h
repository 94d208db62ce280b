// SPDX-License-Identifier: Apache-2.0
// Piece: a copied part of one direction of a stream that waits for its turn, with its bytes right behind it in one
// block of memory. PiecePool makes them in a few sizes and keeps some free ones, so that the steady flow of segments
// allocates nothing. Pieces in use are charged to the memory budget with their whole block; the free ones (at most
// kMaxFreeBytes) are not. One thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"
#include "base/memory_budget.h"

namespace podtap {

struct Piece {
  uint64_t position = 0;  // of bytes()[0]
  uint64_t length = 0;    // bytes used, or for a skipped piece the bytes left out
  uint64_t barrier = 0;   // position that the other direction has to reach first
  Timestamp at;
  Piece* next = nullptr;  // in a list of delivered or free pieces
  uint32_t capacity = 0;  // of bytes()
  uint8_t size_class = 0;
  bool skipped = false;   // left out by the source: no bytes
  bool in_order = false;  // for the kernel, when it arrived: it was accepted at once or not at all
  bool final = false;     // true without the kernel's word: egress, and sources that give no `received`

  uint64_t end() const { return position + length; }
  uint64_t spare() const { return skipped ? 0 : capacity - length; }
  std::byte* bytes() { return reinterpret_cast<std::byte*>(this + 1); }
  const std::byte* bytes() const { return reinterpret_cast<const std::byte*>(this + 1); }
};

class PiecePool {
 public:
  static constexpr size_t kMaxPieceBytes = 16384;
  static constexpr size_t kMaxFreeBytes = 448 << 10;

  explicit PiecePool(MemoryBudget& budget) : budget_(budget) {}
  ~PiecePool();
  PiecePool(const PiecePool&) = delete;
  PiecePool& operator=(const PiecePool&) = delete;

  // A piece with room for `bytes`, or for kMaxPieceBytes if that is less. Length 0, all other fields fresh.
  Piece* Take(size_t bytes);
  void Give(Piece* piece);

 private:
  struct SizeClass {
    uint32_t capacity;
    uint32_t max_free;
  };
  static constexpr std::array<SizeClass, 5> kClasses = {{{0, 64}, {256, 128}, {1024, 64}, {4096, 24}, {16384, 16}}};

  MemoryBudget& budget_;
  std::array<Piece*, kClasses.size()> free_{};
  std::array<uint32_t, kClasses.size()> free_count_{};
};

}  // namespace podtap
