// SPDX-License-Identifier: Apache-2.0
#include "sidecar/sink/sink_runner.h"

#include <glog/logging.h>
#include <pthread.h>
#include <signal.h>

#include <thread>
#include <utility>

#include "sidecar/sink/sink_mailbox.h"
#include "sidecar/sink/sink_writer.h"

namespace podtap {

// Shared with the thread, so that one that is stuck in the kernel when Shutdown() gives up keeps what it stands on.
class SinkRunner::Impl {
 public:
  Impl(const Options& options, std::unique_ptr<Encoder> encoder, Opener& opener, SinkCounters counters)
      : address(options.address),
        mailbox(options.address.Text(), options.max_queue_events, options.max_queue_bytes, counters),
        writer(options.address, options.file_max_bytes, std::move(encoder), opener, mailbox, counters) {}

  // The thread takes no signals: they are for the program's main thread, and SIGPIPE is for nobody.
  static void StartThread(const std::shared_ptr<Impl>& self) {
    sigset_t most, before;
    sigfillset(&most);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP}) sigdelset(&most, fault);
    pthread_sigmask(SIG_SETMASK, &most, &before);
    self->thread = std::thread([self] {
      pthread_setname_np(pthread_self(), "podtap-sink");
      self->writer.Run();
    });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  const SinkAddress address;
  SinkMailbox mailbox;
  SinkWriter writer;
  std::thread thread;
};

Result<std::unique_ptr<SinkRunner>> SinkRunner::Start(const Options& options, std::unique_ptr<Encoder> encoder,
                                                      Opener& opener, SinkCounters counters) {
  auto impl = std::make_shared<Impl>(options, std::move(encoder), opener, counters);
  if (!impl->mailbox.usable()) return ErrnoError("cannot make an eventfd for sink " + impl->address.Text());
  counters.Begin();
  impl->writer.OpenFirst();
  Impl::StartThread(impl);
  std::unique_ptr<SinkRunner> runner(new SinkRunner);
  runner->impl_ = std::move(impl);
  return runner;
}

SinkRunner::SinkRunner() = default;
SinkRunner::~SinkRunner() { Shutdown(std::chrono::milliseconds(0)); }

void SinkRunner::Push(std::span<const HttpEventPtr> events) { impl_->mailbox.Push(events); }
bool SinkRunner::Busy() const { return impl_->mailbox.Busy(); }

void SinkRunner::Reopen() {
  if (impl_->address.kind == SinkAddress::Kind::kFile) impl_->mailbox.AskReopen();
}

void SinkRunner::Shutdown(std::chrono::milliseconds timeout) {
  AskStop(Clock::now() + timeout);
  AwaitStop();
}

void SinkRunner::AskStop(Clock::time_point deadline) { impl_->mailbox.AskStop(deadline); }

size_t SinkRunner::AwaitStop() {
  switch (impl_->mailbox.AwaitEnd()) {
    case SinkMailbox::Stopped::kEnded:
      impl_->thread.join();
      break;
    case SinkMailbox::Stopped::kAbandoned:
      impl_->thread.detach();
      LOG(WARNING) << "sink " << impl_->address.Text() << " did not answer in time and was left as it is";
      break;
    case SinkMailbox::Stopped::kBefore:
      break;
  }
  return impl_->mailbox.left_behind();
}

}  // namespace podtap
