// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/counted_memory.h"

#include <malloc.h>

#include <cstdlib>

namespace podtap {
namespace {

constexpr size_t kAllocatorShare = 8;  // of glibc, per piece

size_t CostOf(void* piece) { return piece == nullptr ? 0 : malloc_usable_size(piece) + kAllocatorShare; }

void* Charged(void* piece, void* budget) {
  static_cast<MemoryBudget*>(budget)->Charge(CostOf(piece));
  return piece;
}

void* Malloc(size_t size, void* budget) { return Charged(std::malloc(size), budget); }
void* Calloc(size_t n, size_t size, void* budget) { return Charged(std::calloc(n, size), budget); }

void Free(void* piece, void* budget) {
  static_cast<MemoryBudget*>(budget)->Release(CostOf(piece));
  std::free(piece);
}

void* Realloc(void* piece, size_t size, void* budget) {
  const size_t before = CostOf(piece);
  void* const moved = std::realloc(piece, size);
  if (moved == nullptr) return nullptr;
  static_cast<MemoryBudget*>(budget)->Release(before);
  return Charged(moved, budget);
}

}  // namespace

CountedMemory::CountedMemory(MemoryBudget& budget)
    : functions_{.mem_user_data = &budget, .malloc = Malloc, .free = Free, .calloc = Calloc, .realloc = Realloc} {}

}  // namespace podtap
