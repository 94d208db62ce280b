// SPDX-License-Identifier: Apache-2.0
#include "webhook/kube_follow.h"

#include <glog/logging.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parse.hpp>
#include <ctime>

namespace podtap::webhook {
namespace {

namespace asio = boost::asio;

constexpr int kPage = 500;
constexpr int kRefusals = 2;
constexpr std::chrono::milliseconds kListDeadline(30000);
constexpr std::chrono::milliseconds kWatchHeadDeadline(10000);

std::string Target(const FollowSpec& spec, const std::string& query) {
  std::string target = spec.path + "?" + query;
  if (!spec.selection.empty()) target.append("&").append(spec.selection);
  return target;
}

asio::awaitable<void> Pause(asio::io_context& context, std::chrono::milliseconds time) {
  asio::steady_timer timer(context, time);
  boost::system::error_code ignored;
  co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

std::string VersionOf(const json::object* object) {
  return std::string(TextMember(ObjectMember(object, "metadata"), "resourceVersion"));
}

// What a watch has come to.
struct WatchEnd {
  bool gone = false;     // the version is too old, or the server says an error of it: list again
  bool refused = false;  // by an error that is not one of load (429, 503)
  bool failed = false;   // otherwise: it was ended in good order, as all watches are after some minutes
  std::string why;
  std::optional<std::chrono::seconds> retry_after;
};

// One line of a watch. False: it cannot go on.
bool TakeLine(std::string_view line, FollowedObjects& objects, FollowMetrics& metrics, std::string& version,
              WatchEnd& end) {
  boost::json::monotonic_resource memory;
  boost::json::error_code error;
  const json::value event = json::parse(line, error, &memory);
  const json::object* object = error ? nullptr : ObjectMember(event.if_object(), "object");
  const std::string_view type = TextMember(event.if_object(), "type");
  if (object == nullptr) {
    end = {.gone = false, .failed = true, .why = "a line that is no watch event", .retry_after = {}};
    return false;
  }
  metrics.last_contact_s.store(time(nullptr), std::memory_order_relaxed);
  if (type == "ERROR") {
    end.gone = true;  // whatever it was: what the server knows of this version may be gone with it
    end.failed = true;
    end.why = std::string(TextMember(object, "message"));
    return false;
  }
  if (type == "ADDED" || type == "MODIFIED") {
    objects.Changed(*object);
  } else if (type == "DELETED") {
    objects.Deleted(*object);
  } else if (type != "BOOKMARK") {
    return true;  // a later version's invention
  }
  if (type != "BOOKMARK") metrics.events.fetch_add(1, std::memory_order_relaxed);
  if (std::string seen = VersionOf(object); !seen.empty()) version = std::move(seen);
  return true;
}

asio::awaitable<WatchEnd> WatchOnce(KubeClient& client, const FollowSpec& spec, FollowedObjects& objects,
                                    FollowMetrics& metrics, std::string& version, int timeout_s) {
  KubeRequest request;
  request.target = Target(spec, "allowWatchBookmarks=true&resourceVersion=" + UrlEncode(version) +
                                    "&timeoutSeconds=" + std::to_string(timeout_s) + "&watch=true");
  if (spec.metadata_only) request.accept = kAcceptMetadata;
  request.deadline = kWatchHeadDeadline;
  WatchEnd end;
  metrics.watches.fetch_add(1, std::memory_order_relaxed);
  KubeClient::LineHandler on_line = [&](std::string_view line) {
    return TakeLine(line, objects, metrics, version, end);
  };
  const KubeAnswer answer = co_await client.Watch(std::move(request), spec.silence, std::move(on_line));
  if (end.failed) co_return end;
  end.gone = answer.status == 410;
  end.refused = answer.status >= 400 && answer.status != 429 && answer.status != 503;
  end.failed = !answer.ok() || !answer.error.empty();
  if (end.failed) end.why = answer.Describe();
  end.retry_after = answer.retry_after;
  co_return end;
}

}  // namespace

std::chrono::milliseconds Backoff::Next() {
  const auto pause = pause_;
  pause_ = std::min(pause_ * 2, kMost);
  return pause + std::chrono::milliseconds(random_() % static_cast<unsigned>(pause.count() / 2));
}

asio::awaitable<KubeAnswer> ListPages(KubeClient& client, FollowSpec spec,
                                      std::function<void(const json::object&)> each, std::string& version) {
  std::string next;
  KubeAnswer answer;
  do {
    KubeRequest request;
    request.target =
        Target(spec, (next.empty() ? "" : "continue=" + UrlEncode(next) + "&") + "limit=" + std::to_string(kPage));
    if (spec.metadata_only) request.accept = kAcceptMetadataList;
    request.deadline = kListDeadline;
    answer = co_await client.Call(std::move(request));
    if (!answer.ok()) co_return answer;
    boost::json::monotonic_resource memory(answer.body.size());
    boost::json::error_code error;
    const json::value page = json::parse(answer.body, error, &memory);
    const json::object* list = error ? nullptr : page.if_object();
    const json::object* metadata = ObjectMember(list, "metadata");
    if (metadata == nullptr) {
      answer.status = 0;
      answer.error = "GET " + spec.path + ": the answer is no list";
      co_return answer;
    }
    const json::array* items = ArrayMember(list, "items");
    for (size_t i = 0; items != nullptr && i < items->size(); ++i)
      if (const json::object* item = (*items)[i].if_object()) each(*item);
    version = std::string(TextMember(metadata, "resourceVersion"));
    next = std::string(TextMember(metadata, "continue"));
  } while (!next.empty());
  co_return answer;
}

asio::awaitable<void> Follow(KubeClient& client, FollowSpec spec, FollowedObjects& objects, FollowMetrics& metrics) {
  Backoff backoff;
  std::minstd_rand random(std::random_device{}());
  const auto wait = [&](const std::string& why, std::optional<std::chrono::seconds> retry_after) {
    metrics.failures.fetch_add(1, std::memory_order_relaxed);
    auto pause = backoff.Next();
    if (retry_after) pause = std::max<std::chrono::milliseconds>(pause, *retry_after);
    LOG(WARNING) << "following " << spec.name << ": " << why << "; again in " << pause.count() << " ms";
    return Pause(client.context(), pause);
  };
  for (;;) {
    std::string version;
    objects.BeginList();
    std::function<void(const json::object&)> each = [&](const json::object& object) { objects.Listed(object); };
    const KubeAnswer listed = co_await ListPages(client, spec, std::move(each), version);
    if (!listed.ok()) {
      co_await wait(listed.Describe(), listed.retry_after);
      continue;
    }
    objects.EndList();
    metrics.lists.fetch_add(1, std::memory_order_relaxed);
    metrics.last_contact_s.store(time(nullptr), std::memory_order_relaxed);
    if (!metrics.synced.exchange(true)) LOG(INFO) << "knows all " << spec.name;
    int refused = 0;  // in a row: a server that was restored from a backup may refuse its version for ever
    for (bool gone = false; !gone;) {
      const int timeout_s = 300 + static_cast<int>(random() % 300);
      const auto begin = std::chrono::steady_clock::now();
      const WatchEnd end = co_await WatchOnce(client, spec, objects, metrics, version, timeout_s);
      const bool lived = std::chrono::steady_clock::now() - begin > std::chrono::seconds(5);
      if (lived) backoff.Reset();
      refused = end.refused ? refused + 1 : 0;
      gone = end.gone || refused == kRefusals;
      if (end.failed) {
        co_await wait(end.why, end.retry_after);
      } else if (!lived) {
        co_await Pause(client.context(), backoff.Next());  // a server that ends every watch at once is not hammered
      }
    }
  }
}

}  // namespace podtap::webhook
