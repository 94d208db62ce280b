// SPDX-License-Identifier: Apache-2.0
#include "sidecar/event/new_event.h"

#include <mutex>
#include <utility>
#include <vector>

namespace podtap {
namespace {

constexpr size_t kMaxKept = 2048;       // about what is under way at full load
constexpr size_t kMaxHeadBytes = 4096;  // per message: larger buffers are given back
constexpr size_t kMaxBodyBytes = 1024;  // likewise
constexpr size_t kMaxTextBytes = 512;

// What is assigned to a string leaves it its buffer, so a large one must go first; and a small one stays.
void DropLarge(std::string& used, size_t limit) {
  if (used.capacity() > limit) std::string().swap(used);
}

void DropLarge(HeaderList& used) {
  if (used.memory() <= kMaxHeadBytes) return;
  HeaderList none;
  std::swap(none, used);
}

// A list is assigned without its buffers.
void Keep(HeaderList& used, HeaderList& empty) {
  DropLarge(used);
  used.Clear();
  std::swap(empty, used);
}

// Everything is as new, but for buffers that are not large.
void Clean(HttpEvent& used) {
  HttpEvent empty;
  Keep(used.request.headers, empty.request.headers);
  Keep(used.response.headers, empty.response.headers);
  Keep(used.response.trailers, empty.response.trailers);
  DropLarge(used.request.trailers);
  DropLarge(used.request.body, kMaxBodyBytes);
  DropLarge(used.response.body, kMaxBodyBytes);
  for (std::string* text : {&used.method, &used.target, &used.version, &used.scheme, &used.authority, &used.protocol,
                            &used.reason, &used.response_version, &used.container_id})
    DropLarge(*text, kMaxTextBytes);
  used = std::move(empty);
}

class Pool {
 public:
  std::unique_ptr<HttpEvent> Take() {
    {
      const std::lock_guard lock(mutex_);
      if (!kept_.empty()) {
        std::unique_ptr<HttpEvent> event = std::move(kept_.back());
        kept_.pop_back();
        return event;
      }
    }
    return std::make_unique<HttpEvent>();
  }
  void Give(std::unique_ptr<HttpEvent> event) {
    Clean(*event);
    const std::lock_guard lock(mutex_);
    if (kept_.size() < kMaxKept) kept_.push_back(std::move(event));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<HttpEvent>> kept_;
};

// Never destroyed: an abandoned sink's thread may hold events to the end of the process.
Pool& ThePool() {
  static Pool& pool = *new Pool;
  return pool;
}

}  // namespace

std::shared_ptr<HttpEvent> NewHttpEvent() {
  return {ThePool().Take().release(), [](HttpEvent* event) { ThePool().Give(std::unique_ptr<HttpEvent>(event)); }};
}

}  // namespace podtap
