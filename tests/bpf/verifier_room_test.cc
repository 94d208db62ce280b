// SPDX-License-Identifier: Apache-2.0
// Every kernel follows the paths of a program in its own way, and refuses a program that takes it more than a million
// instructions to check. Here the running kernel says how far it is from that.
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "packet_capture.skel.h"
#include "sidecar/capture/bpf_skeleton.h"
#include "tests/bpf/bpf_test_support.h"

namespace podtap {
namespace {

class VerifierRoom : public CaptureBpf {};

TEST_F(VerifierRoom, EveryProgramIsCheckedWithinAQuarterOfWhatTheKernelAllows) {
  constexpr unsigned kAllowed = 1'000'000;
  constexpr uint32_t kStatistics = 4;  // BPF_LOG_STATS
  auto skeleton = BpfSkeleton<packet_capture, packet_capture__open, packet_capture__destroy>::Open();
  ASSERT_TRUE(skeleton);
  std::map<std::string, std::vector<char>> logs;
  bpf_program* program = nullptr;
  bpf_object__for_each_program(program, skeleton->obj) {
    std::vector<char>& log = logs[bpf_program__name(program)];
    log.resize(64 << 10);
    bpf_program__set_log_level(program, kStatistics);
    bpf_program__set_log_buf(program, log.data(), log.size());
  }
  ASSERT_EQ(packet_capture__load(skeleton.get()), 0);
  for (const auto& [name, log] : logs) {
    unsigned processed = 0;
    const char* line = strstr(log.data(), "processed ");
    ASSERT_NE(line, nullptr) << name << ": " << log.data();
    ASSERT_EQ(sscanf(line, "processed %u", &processed), 1);
    printf("%s: processed %u instructions\n", name.c_str(), processed);
    EXPECT_LT(processed, kAllowed / 4) << name;
  }
}

}  // namespace
}  // namespace podtap
