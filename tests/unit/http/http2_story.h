// SPDX-License-Identifier: Apache-2.0
// HTTP/2 for stories:
//   Http2Peer client, server;
//   s.Open().Ingress(Preface() + client.Get(1, "/a")).Egress(server.Ok(1, "body"));
#pragma once

#include "tests/unit/http/http2_peer.h"
#include "tests/unit/http/story.h"
