// SPDX-License-Identifier: Apache-2.0
#include "sidecar/stream/piece_pool.h"

#include <new>
#include <utility>

namespace podtap {

PiecePool::~PiecePool() {
  for (Piece* head : free_) {
    while (head != nullptr) ::operator delete(std::exchange(head, head->next));
  }
}

Piece* PiecePool::Take(size_t bytes) {
  uint8_t size_class = 0;
  while (size_class + 1U < kClasses.size() && kClasses[size_class].capacity < bytes) ++size_class;
  const uint32_t capacity = kClasses[size_class].capacity;
  void* block = free_[size_class];
  if (block != nullptr) {
    free_[size_class] = free_[size_class]->next;
    --free_count_[size_class];
  } else {
    block = ::operator new(sizeof(Piece) + capacity);
  }
  auto* piece = new (block) Piece;
  piece->capacity = capacity;
  piece->size_class = size_class;
  budget_.Charge(sizeof(Piece) + capacity);
  return piece;
}

void PiecePool::Give(Piece* piece) {
  const uint8_t size_class = piece->size_class;
  budget_.Release(sizeof(Piece) + piece->capacity);
  if (free_count_[size_class] >= kClasses[size_class].max_free) {
    ::operator delete(piece);
    return;
  }
  piece->next = free_[size_class];
  free_[size_class] = piece;
  ++free_count_[size_class];
}

}  // namespace podtap
