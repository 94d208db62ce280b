// SPDX-License-Identifier: Apache-2.0
// ReviewMemory: the memory of one JSON document, with a limit, because a body of "[0,0,0…" becomes more than ten times
// its size. Beyond the limit allocation throws std::bad_alloc, which the parser's caller catches and counts as too
// large. Small pieces are cut from blocks and freed together at the end; large ones are freed at once, so that growing
// arrays leave nothing behind.
#pragma once

#include <boost/json/memory_resource.hpp>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

namespace podtap::webhook {

class ReviewMemory final : public boost::json::memory_resource {
 public:
  explicit ReviewMemory(size_t limit_bytes) : left_(limit_bytes) {}
  ReviewMemory(const ReviewMemory&) = delete;
  ReviewMemory& operator=(const ReviewMemory&) = delete;
  ~ReviewMemory() override {
    for (Header* header = blocks_; header != nullptr;) std::free(std::exchange(header, header->next));
  }

 private:
  static constexpr size_t kBlock = 32 << 10;
  static constexpr size_t kLarge = 8 << 10;

  struct alignas(std::max_align_t) Header {
    Header* previous;
    Header* next;
    size_t bytes;
  };

  // A piece of its own, first in the list of all.
  char* Take(size_t bytes) {
    if (bytes > left_) throw std::bad_alloc();
    auto* header = static_cast<Header*>(std::malloc(sizeof(Header) + bytes));
    if (header == nullptr) throw std::bad_alloc();
    left_ -= bytes;
    *header = {nullptr, blocks_, bytes};
    if (blocks_ != nullptr) blocks_->previous = header;
    blocks_ = header;
    return reinterpret_cast<char*>(header + 1);
  }
  void Free(Header* header) {
    (header->previous != nullptr ? header->previous->next : blocks_) = header->next;
    if (header->next != nullptr) header->next->previous = header->previous;
    left_ += header->bytes;
    std::free(header);
  }

  void* do_allocate(size_t bytes, size_t align) override {
    if (align > alignof(std::max_align_t)) throw std::bad_alloc();
    if (bytes >= kLarge) return Take(bytes);
    constexpr size_t kStep = alignof(std::max_align_t);
    bytes = (bytes + kStep - 1) / kStep * kStep;
    if (bytes > room_) {
      next_ = Take(kBlock);
      room_ = kBlock;
    }
    char* const piece = next_;
    next_ += bytes;
    room_ -= bytes;
    return piece;
  }
  void do_deallocate(void* at, size_t bytes, size_t) override {
    if (bytes >= kLarge) Free(static_cast<Header*>(at) - 1);
  }
  bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }

  size_t left_;
  Header* blocks_ = nullptr;
  char* next_ = first_;
  size_t room_ = sizeof(first_);
  alignas(std::max_align_t) char first_[64 << 10];
};

}  // namespace podtap::webhook

// The document need not free its values one by one.
template <>
struct boost::json::is_deallocate_trivial<podtap::webhook::ReviewMemory> {
  static constexpr bool value = true;
};
