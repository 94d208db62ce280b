// SPDX-License-Identifier: Apache-2.0
// BodyBlocks: a request's body as it arrives, in blocks that are charged to one budget for all connections. A body that
// finds no room left gives back what it has; where its uid stands has been read by then.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace podtap::webhook {

// Bytes that the bodies of all connections hold. Thread-safe.
class ByteBudget {
 public:
  ByteBudget(size_t limit, std::atomic<int64_t>& used) : limit_(static_cast<int64_t>(limit)), used_(used) {}
  bool Take(size_t bytes) {
    const auto n = static_cast<int64_t>(bytes);
    if (used_.fetch_add(n, std::memory_order_relaxed) + n <= limit_) return true;
    used_.fetch_sub(n, std::memory_order_relaxed);
    return false;
  }
  void GiveBack(size_t bytes) { used_.fetch_sub(static_cast<int64_t>(bytes), std::memory_order_relaxed); }

 private:
  const int64_t limit_;
  std::atomic<int64_t>& used_;
};

class BodyBlocks {
 public:
  static constexpr size_t kBlock = 64 << 10;
  static constexpr size_t kFirstBlock = 16 << 10;  // most reviews fit

  explicit BodyBlocks(ByteBudget& budget) : budget_(budget) {}
  BodyBlocks(const BodyBlocks&) = delete;
  BodyBlocks& operator=(const BodyBlocks&) = delete;
  ~BodyBlocks() { Clear(); }

  // Room for the next bytes; empty if the budget is used up.
  std::span<char> Room() {
    if (blocks_.empty() || blocks_.back().used == blocks_.back().size) {
      const size_t size = blocks_.empty() ? kFirstBlock : kBlock;
      if (!budget_.Take(size)) return {};
      blocks_.push_back({std::make_unique_for_overwrite<char[]>(size), size, 0});
    }
    Block& block = blocks_.back();
    return {block.data.get() + block.used, block.size - block.used};
  }
  // The first `bytes` of Room() have been written.
  void Commit(size_t bytes) {
    blocks_.back().used += bytes;
    size_ += bytes;
  }
  size_t size() const { return size_; }

  std::vector<std::string_view> Views() const {
    std::vector<std::string_view> views;
    views.reserve(blocks_.size());
    for (const Block& block : blocks_) views.emplace_back(block.data.get(), block.used);
    return views;
  }
  void Clear() {
    for (const Block& block : blocks_) budget_.GiveBack(block.size);
    blocks_.clear();
    size_ = 0;
  }

 private:
  struct Block {
    std::unique_ptr<char[]> data;
    size_t size;
    size_t used;
  };
  ByteBudget& budget_;
  std::vector<Block> blocks_;
  size_t size_ = 0;
};

}  // namespace podtap::webhook
