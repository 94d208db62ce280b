// SPDX-License-Identifier: Apache-2.0
// InstanceLock: one capturing instance per container, and a way for a second process to see when it has attached. Both
// are locks on the program's own file: they need no writable path, are apart for each container (each has its own
// overlay), and vanish with the process that holds them.
//
// Only the build for the image refuses a second instance: whoever may exec into a privileged container must not be able
// to point podtap somewhere else. Elsewhere several may run side by side.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "base/unique_fd.h"

namespace podtap {

class InstanceLock {
 public:
  static Result<InstanceLock> Take();
  // From now on WaitUntilAttached() of other processes returns.
  Status ShowAttached();

 private:
  explicit InstanceLock(UniqueFd program) : program_(std::move(program)) {}
  UniqueFd program_;
};

// Returns when an instance of this program has attached, and after `ms` milliseconds regardless.
void WaitUntilAttached(uint64_t ms);

}  // namespace podtap
