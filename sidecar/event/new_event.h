// SPDX-License-Identifier: Apache-2.0
// NewHttpEvent: an empty HttpEvent, in the memory of one that nobody holds any more. An event is made by one thread and
// let go of by another, the worst case of a general allocator; so events, with the buffers of their heads and small
// bodies, go back and forth instead. Thread-safe; keeps a bounded number of events, none of them large.
#pragma once

#include <memory>

#include "sidecar/event/http_event.h"

namespace podtap {

std::shared_ptr<HttpEvent> NewHttpEvent();

}  // namespace podtap
