// SPDX-License-Identifier: Apache-2.0
// TailHub: gives copies of the exchanges to whoever looks at /tail. Costs one atomic load per batch while nobody does.
// A client that reads too slowly loses whole records, which are counted.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "base/counters.h"
#include "base/http_server.h"
#include "sidecar/sink/sink.h"

namespace podtap {

class TailHub {
 public:
  TailHub(std::unique_ptr<Encoder> eve, std::unique_ptr<Encoder> text, Counters& counters)
      : eve_{std::move(eve), {}, {}}, text_{std::move(text), {}, {}}, counters_(counters) {}

  // Exchanges as EVE lines, or as lines of text.
  void Add(std::shared_ptr<HttpTail> tail, bool as_text);
  // From the pipeline's thread.
  void Push(std::span<const HttpEventPtr> events);

 private:
  struct Group {
    std::unique_ptr<Encoder> encoder;
    std::vector<std::shared_ptr<HttpTail>> tails;
    std::string record;
  };
  void PushTo(Group& group, std::span<const HttpEventPtr> events);

  std::atomic<bool> watched_{false};
  std::mutex mutex_;
  Group eve_, text_;
  Counters& counters_;
};

}  // namespace podtap
