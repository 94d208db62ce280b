// SPDX-License-Identifier: Apache-2.0
// Adds up what the kernel programs counted, per CPU, in the array they share with user space. Needs no privilege.
#pragma once

#include "sidecar/admin/stats.h"

namespace podtap {

class PacketCapture;

// Empty for null: nothing is attached.
KernelNumbers ReadKernelNumbers(const PacketCapture* capture);

}  // namespace podtap
