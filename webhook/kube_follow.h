// SPDX-License-Identifier: Apache-2.0
// Follow: keeps a copy of one kind of object of the Kubernetes API up to date, by the API's own protocol: a list in
// pages, then a watch from the list's version, with bookmarks that move the version on. A version that the server no
// longer has (410, or an ERROR event) means a new list; an interrupted watch goes on from the last version seen;
// failures are tried again with growing, jittered pauses, and as late as the server asks (429).
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include "webhook/json_view.h"
#include "webhook/kube_client.h"

namespace podtap::webhook {

// What a copy is made of. Called in the client's thread only.
class FollowedObjects {
 public:
  virtual ~FollowedObjects() = default;
  // A whole list follows; what was there before stays in use until EndList(), which replaces it.
  virtual void BeginList() = 0;
  virtual void Listed(const json::object& object) = 0;
  virtual void EndList() = 0;
  virtual void Changed(const json::object& object) = 0;  // added or modified
  virtual void Deleted(const json::object& object) = 0;
};

struct FollowMetrics {
  std::atomic<uint64_t> lists{0};          // complete ones
  std::atomic<uint64_t> watches{0};        // opened
  std::atomic<uint64_t> failures{0};       // lists and watches that failed
  std::atomic<uint64_t> events{0};         // of watches, without bookmarks
  std::atomic<bool> synced{false};         // the first list is complete
  std::atomic<int64_t> last_contact_s{0};  // seconds since 1970 of the last line or list
};

struct FollowSpec {
  std::string name;       // for the log: "namespaces"
  std::string path;       // "/api/v1/namespaces"
  std::string selection;  // further query, encoded: "fieldSelector=metadata.name%3Dx", or empty
  bool metadata_only = false;
  std::chrono::milliseconds silence{180000};  // of a watch, until it is opened again
};

inline constexpr std::string_view kAcceptMetadata =
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
inline constexpr std::string_view kAcceptMetadataList =
    "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

// Pauses between attempts: from 0.2 s, doubled up to 30 s, each with up to half of it more at random.
class Backoff {
 public:
  std::chrono::milliseconds Next();
  void Reset() { pause_ = kFirst; }

 private:
  static constexpr std::chrono::milliseconds kFirst{200};
  static constexpr std::chrono::milliseconds kMost{30000};
  std::chrono::milliseconds pause_ = kFirst;
  std::minstd_rand random_{std::random_device{}()};
};

// Never returns; it ends with its io_context. All arguments outlive it.
boost::asio::awaitable<void> Follow(KubeClient& client, FollowSpec spec, FollowedObjects& objects,
                                    FollowMetrics& metrics);

// Calls `each` for every object of a list, page by page; the answer's version in `version`. The failing page's answer,
// or the last one's.
boost::asio::awaitable<KubeAnswer> ListPages(KubeClient& client, FollowSpec spec,
                                             std::function<void(const json::object&)> each, std::string& version);

}  // namespace podtap::webhook
