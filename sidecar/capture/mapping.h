// SPDX-License-Identifier: Apache-2.0
// Mapping owns one shared memory mapping and unmaps it when it goes. Forked processes inherit it. Move only.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <utility>

namespace podtap {

class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : address_(std::exchange(other.address_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~Mapping() {
    if (address_ != nullptr) ::munmap(address_, bytes_);
  }

  // Maps `bytes` of `fd` from `offset`. False and errno if that fails.
  bool Map(int fd, size_t bytes, bool writable, size_t offset = 0) {
    void* address = ::mmap(nullptr, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd,
                           static_cast<off_t>(offset));
    if (address == MAP_FAILED) return false;
    Mapping old = std::move(*this);
    address_ = address;
    bytes_ = bytes;
    return true;
  }
  template <typename T>
  T* as() const {
    return static_cast<T*>(address_);
  }

 private:
  void* address_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace podtap
