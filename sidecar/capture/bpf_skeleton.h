// SPDX-License-Identifier: Apache-2.0
// BpfSkeleton owns an object that bpftool's skeleton header describes, and frees it (programs, maps, links) when it
// goes.
//   BpfSkeleton<packet_capture, packet_capture__open, packet_capture__destroy> skeleton;
// Move only. Null after a failed open; errno says why.
#pragma once

#include <memory>

namespace podtap {

template <typename Skeleton, Skeleton* (*kOpen)(), void (*kDestroy)(Skeleton*)>
class BpfSkeleton {
 public:
  static BpfSkeleton Open() { return BpfSkeleton(kOpen()); }
  Skeleton* get() const { return skeleton_.get(); }
  Skeleton* operator->() const { return skeleton_.get(); }
  explicit operator bool() const { return skeleton_ != nullptr; }
  void Reset() { skeleton_.reset(); }

 private:
  struct Destroy {
    void operator()(Skeleton* skeleton) const { kDestroy(skeleton); }
  };
  explicit BpfSkeleton(Skeleton* skeleton) : skeleton_(skeleton) {}
  std::unique_ptr<Skeleton, Destroy> skeleton_;
};

}  // namespace podtap
