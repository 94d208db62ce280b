// SPDX-License-Identifier: Apache-2.0
#include "sidecar/stream/connection.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <random>
#include <set>

namespace podtap {
namespace {

Endpoint V6(const char* text, uint16_t port = 0) {
  Endpoint endpoint;
  EXPECT_EQ(inet_pton(AF_INET6, text, endpoint.address.data()), 1) << text;
  endpoint.port = port;
  return endpoint;
}

TEST(Endpoint, Ipv4IsWrittenAsIpv4) {
  EXPECT_EQ(Endpoint::V4(10, 0, 0, 7, 80).AddressText(), "10.0.0.7");
  EXPECT_EQ(Endpoint::V4(255, 255, 255, 255, 65535).Text(), "255.255.255.255:65535");
  EXPECT_EQ(Endpoint::V4(0, 0, 0, 0, 0).Text(), "0.0.0.0:0");
}

TEST(Endpoint, Ipv4MappedIsWrittenAsIpv4) {
  EXPECT_EQ(V6("::ffff:192.0.2.1", 443).Text(), "192.0.2.1:443");
  EXPECT_EQ(V6("::ffff:192.0.2.1", 443), Endpoint::V4(192, 0, 2, 1, 443));
}

TEST(Endpoint, Ipv6FollowsRfc5952) {
  const std::pair<const char*, const char*> cases[] = {
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"2001:DB8::1", "2001:db8::1"},
      {"2001:0db8:0000:0000:0001:0000:0000:0001", "2001:db8::1:0:0:1"},  // of two equal runs the first
      {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},                  // one zero group stays
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},                           // the longer run
      {"1:0:0:2:0:0:3:0", "1::2:0:0:3:0"},
      {"0:0:1:0:0:0:0:0", "0:0:1::"},
      {"0:1:0:1:0:1:0:1", "0:1:0:1:0:1:0:1"},
      {"fe80::200:5eff:fe00:5213", "fe80::200:5eff:fe00:5213"},
      {"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
      {"::fffe:1.2.3.4", "::fffe:102:304"},
  };
  for (const auto& [in, out] : cases) EXPECT_EQ(V6(in).AddressText(), out);
  EXPECT_EQ(V6("2001:db8::1", 80).Text(), "[2001:db8::1]:80");
}

TEST(Endpoint, EveryIpv6TextReadsBackAsItself) {
  std::mt19937 random(1);
  for (int round = 0; round < 5000; ++round) {
    Endpoint endpoint;
    for (auto& byte : endpoint.address) byte = random() % 3 == 0 ? static_cast<uint8_t>(random()) : 0;
    if (endpoint.is_v4()) continue;
    EXPECT_EQ(V6(endpoint.AddressText().c_str()), endpoint) << endpoint.AddressText();
    EXPECT_LE(endpoint.AddressText().size(), 39U);
  }
}

TEST(Process, CommNeedsNoTerminator) {
  Process process;
  EXPECT_EQ(process.CommText(), "");
  process.comm.fill('x');
  EXPECT_EQ(process.CommText(), std::string(16, 'x'));
}

TEST(ConnectionId, NeighbouringCookiesHashApart) {
  std::set<size_t> top;
  for (uint64_t i = 1; i <= 1000; ++i) top.insert(std::hash<ConnectionId>{}({i}) >> 48);
  EXPECT_GT(top.size(), 900U);
}

}  // namespace
}  // namespace podtap
