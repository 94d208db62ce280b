// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/otlp_sink.h"

#include <glog/logging.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "sidecar/sink/backoff.h"
#include "sidecar/sink/gzip.h"
#include "sidecar/sink/otlp_post.h"
#include "sidecar/sink/otlp_response.h"
#include "sidecar/sink/sink_mailbox.h"

namespace podtap {
namespace {

constexpr int kThreads = 2;

bool MayBeTriedAgain(unsigned status) { return status == 429 || status == 502 || status == 503 || status == 504; }

}  // namespace

// Shared with the threads, so that one that is stuck in the resolver when the end comes keeps what it stands on.
class OtlpSink::Impl {
 public:
  Impl(Options options, HttpUrl url, SinkCounters counters)
      : options_(std::move(options)),
        url_(std::move(url)),
        name_(options_.address.Text()),
        counters_(counters),
        encoder_({options_.identity, options_.settings.hypertrace, options_.settings.resource_attributes}),
        mailbox(name_, options_.max_queue_events, options_.max_queue_bytes, counters, kThreads) {}

  void Run() {
    OtlpPost post(url_, options_.settings, options_.read,
                  {.give_up = [this] { return mailbox.Over(); }, .on_socket = options_.on_socket});
    // So that what is wrong with the endpoint is said at the start and not with the first exchange.
    if (Status ok = post.TryEndpoint(); !ok && !mailbox.Over()) NoteFailure(ok.error().message);
    const OtlpSettings& settings = options_.settings;
    // A queue that is small overflows before it holds a large batch.
    const size_t batch_events = std::clamp<size_t>(options_.max_queue_events / 2, 1, settings.batch_spans);
    const size_t batch_bytes = std::clamp<size_t>(options_.max_queue_bytes / 2, 1, settings.batch_bytes);
    std::vector<HttpEventPtr> events;
    std::string body;
    while (mailbox.WaitForBatch(batch_events, batch_bytes, std::chrono::milliseconds(settings.batch_ms), events)) {
      body.clear();
      encoder_.Encode(events, body);
      if (settings.gzip) body = Gzip(body);
      const size_t count = events.size();
      events.clear();
      if (!Deliver(post, body, count)) break;
      if (body.capacity() > kKeepBytes) std::string().swap(body);
    }
    if (const size_t lost = mailbox.End(); lost != 0)
      LOG(WARNING) << "sink " << name_ << ": " << lost << " exchanges could not be sent in time";
  }

  const std::string& name() const { return name_; }

 private:
  static constexpr size_t kKeepBytes = 4 << 20;
  enum class State : uint8_t { kFine, kRejecting, kRefusing, kFailing };

  // False: the end came first, and the batch is still in flight.
  bool Deliver(OtlpPost& post, const std::string& body, size_t count) {
    Backoff backoff;
    const auto give_up_at = Clock::now() + std::chrono::milliseconds(options_.settings.max_retry_ms);
    while (true) {
      LeaveAlone();
      if (mailbox.Over()) return false;
      const auto answer = post.Send(body);
      if (mailbox.Abandoned()) return false;
      if (answer && !MayBeTriedAgain(answer->status)) {
        Settle(*answer, count);
        return true;
      }
      if (mailbox.Over()) return false;
      counters_.Add(Counter::kSinkWriteErrors);
      NoteFailure(answer ? "it answered " + std::to_string(answer->status) : answer.error().message);
      const auto now = Clock::now();
      const auto again_at = now + std::chrono::duration_cast<Clock::duration>(backoff.Next());
      const std::chrono::seconds asked(answer ? answer->retry_after_s.value_or(0) : 0);
      // Once it has waited as long as it was asked to, it is tried again, however late that is.
      if (now > give_up_at || (asked.count() == 0 && again_at > give_up_at)) {
        mailbox.Resolve(count, Counter::kSinkWriteFailed);
        return true;
      }
      if (asked.count() != 0) AskedToWait(now + asked);
      mailbox.Pause(again_at);
    }
  }

  // What Retry-After asks for holds for the endpoint: no thread sends it anything before that, unless the end is near.
  void AskedToWait(Clock::time_point until) {
    const std::lock_guard lock(mutex_);
    not_before_ = std::max(not_before_, until);
  }
  void LeaveAlone() {
    Clock::time_point until;
    {
      const std::lock_guard lock(mutex_);
      until = not_before_;
    }
    mailbox.PauseUnlessStopping(until);
  }

  // An answer that is final.
  void Settle(const OtlpAnswer& answer, size_t count) {
    if (answer.status < 200 || answer.status > 299) {
      mailbox.Resolve(count, Counter::kSinkRefused);
      const std::string why = ParseStatusMessage(answer.body);
      Note(State::kRefusing, "it answered " + std::to_string(answer.status) + (why.empty() ? "" : ": " + why) +
                                 "; what it refuses is dropped");
      return;
    }
    const PartialSuccess partial = ParsePartialSuccess(answer.body);
    const auto rejected = static_cast<size_t>(std::min<uint64_t>(partial.rejected_spans, count));
    mailbox.Resolve(count - rejected, Counter::kSinkEventsWritten);
    mailbox.Resolve(rejected, Counter::kSinkRejected);
    if (rejected != 0)
      Note(rejected == count ? State::kRefusing : State::kRejecting,
           "it rejected " + std::to_string(rejected) + " of " + std::to_string(count) + " spans: " + partial.message);
    else
      Note(State::kFine, "");
  }

  void NoteFailure(const std::string& why) {
    Note(State::kFailing, why + "; exchanges wait in a bounded queue, and it is tried again");
  }

  // One line per change of state, whichever thread saw it.
  void Note(State state, const std::string& why) {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(state_, state) == state) return;
    }
    counters_.SetFailing(state == State::kFailing || state == State::kRefusing);
    if (state == State::kFine)
      LOG(INFO) << "sink " << name_ << " takes exchanges now";
    else
      LOG(WARNING) << "sink " << name_ << ": " << why;
  }

  const Options options_;
  const HttpUrl url_;
  const std::string name_;
  const SinkCounters counters_;
  const OtlpEncoder encoder_;
  std::mutex mutex_;
  State state_ = State::kFine;
  Clock::time_point not_before_{};

 public:
  SinkMailbox mailbox;
  std::vector<std::thread> threads;
};

OtlpSink::OtlpSink() = default;

Result<std::unique_ptr<OtlpSink>> OtlpSink::Start(Options options, SinkCounters counters) {
  auto url = ParseTracesUrl(options.address.path);
  if (!url) return std::unexpected(url.error());
  auto impl = std::make_shared<Impl>(std::move(options), *std::move(url), counters);
  counters.Begin();
  sigset_t most, before;
  sigfillset(&most);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) sigdelset(&most, fault);
  pthread_sigmask(SIG_SETMASK, &most, &before);
  for (int i = 0; i < kThreads; ++i)
    impl->threads.emplace_back([impl] {
      pthread_setname_np(pthread_self(), "podtap-otlp");
      impl->Run();
    });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  std::unique_ptr<OtlpSink> sink(new OtlpSink);
  sink->impl_ = std::move(impl);
  return sink;
}

OtlpSink::~OtlpSink() {
  AskStop(Clock::now());
  AwaitStop();
}

// A span is for what has ended: interim records are not for OTLP.
void OtlpSink::Push(std::span<const HttpEventPtr> events) {
  const auto goes_on = [](const HttpEventPtr& event) { return event->tags.Has(Tag::kInterim); };
  if (std::none_of(events.begin(), events.end(), goes_on)) return impl_->mailbox.Push(events);
  std::vector<HttpEventPtr> ended;
  std::remove_copy_if(events.begin(), events.end(), std::back_inserter(ended), goes_on);
  impl_->mailbox.Push(ended);
}
bool OtlpSink::Busy() const { return impl_->mailbox.Busy(); }
void OtlpSink::AskStop(Clock::time_point deadline) { impl_->mailbox.AskStop(deadline); }

size_t OtlpSink::AwaitStop() {
  const SinkMailbox::Stopped stopped = impl_->mailbox.AwaitEnd();
  if (stopped == SinkMailbox::Stopped::kBefore) return impl_->mailbox.left_behind();
  for (std::thread& thread : impl_->threads) {
    if (stopped == SinkMailbox::Stopped::kEnded)
      thread.join();
    else
      thread.detach();
  }
  if (stopped == SinkMailbox::Stopped::kAbandoned)
    LOG(WARNING) << "sink " << impl_->name() << " did not answer in time and was left as it is";
  return impl_->mailbox.left_behind();
}

}  // namespace podtap
