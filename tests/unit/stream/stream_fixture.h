// SPDX-License-Identifier: Apache-2.0
// An assembler with everything around it, for tests that look inside a story while it goes on.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/support/stream_story.h"

namespace podtap {

class StreamTest : public testing::Test {
 protected:
  void Use(StreamAssembler::Limits limits) {
    assembler = std::make_unique<StreamAssembler>(limits, budget, counters, seen);
  }
  // Plays what the story got since the last call.
  void Tell(Story& story) {
    Play(story.items(), *assembler);
    story.items().clear();
  }
  void TwoBatches() {
    assembler->EndOfBatch();
    assembler->EndOfBatch();
  }

  MemoryBudget budget{64 << 20};
  Counters counters;
  StreamRecorder seen;
  std::unique_ptr<StreamAssembler> assembler =
      std::make_unique<StreamAssembler>(StreamAssembler::Limits{}, budget, counters, seen);
};

}  // namespace podtap
