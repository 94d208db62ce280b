// SPDX-License-Identifier: Apache-2.0
// The worker process: reads the ring, parses, encodes and sends. It has no privilege and opens nothing by name; the
// attacher forks it after everything it needs was mapped or opened.
#pragma once

#include <sys/types.h>

#include "sidecar/admin/shared_state.h"
#include "sidecar/config.h"
#include "sidecar/config_follower.h"

namespace podtap {

class PacketCapture;

struct WorkerInput {
  const Config& config;
  SharedState& shared;
  PacketCapture* capture;  // null: nothing is attached; the worker only serves the admin endpoint
  int control;             // the worker's end of the control socket
  pid_t attacher;
  std::vector<int> admin_listeners;  // bound and listening
  bool resumed = false;              // another worker read this ring before
  // What the configuration file of this text makes of the command line.
  ConfigFollower::Parse parse{};
};

// Runs the worker; the process's exit status. Called in the forked child only.
int RunWorker(const WorkerInput& input);

}  // namespace podtap
