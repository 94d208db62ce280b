// SPDX-License-Identifier: Apache-2.0
#include "sidecar/control_client.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace podtap {
namespace {

constexpr std::chrono::seconds kPatience(10);

}  // namespace

ControlClient::ControlClient(int socket, OnMessage on_message)
    : socket_(socket), on_message_(std::move(on_message)), thread_([this] { Read(); }) {}

ControlClient::~ControlClient() {
  shutdown(socket_, SHUT_RD);
  thread_.join();
}

void ControlClient::Read() {
  while (auto received = ReceiveControl(socket_)) {
    if (received->message.kind != ControlKind::kReply) {
      on_message_(received->message.kind, std::move(received->descriptor));
      continue;
    }
    const std::lock_guard lock(mutex_);
    // An answer that came after its patience ended has nobody waiting; its descriptor is closed here.
    if (const auto it = waiting_.find(received->message.id); it != waiting_.end()) {
      it->second = std::move(*received);
      answered_.notify_all();
    }
  }
  {
    const std::lock_guard lock(mutex_);
    gone_ = true;
    answered_.notify_all();
  }
  on_message_(ControlKind::kStop, {});
}

Result<ReceivedControl> ControlClient::Call(ControlKind kind, uint64_t value, int descriptor) {
  ControlMessage request;
  request.kind = kind;
  request.value = value;
  {
    const std::scoped_lock lock(mutex_);
    request.id = next_id_++;
    waiting_[request.id];
  }
  const Status sent = SendControl(socket_, request, descriptor);
  std::optional<ReceivedControl> answer;
  {
    std::unique_lock lock(mutex_);
    if (sent) {
      answered_.wait_for(lock, kPatience, [&] { return gone_ || waiting_[request.id].has_value(); });
      answer = std::move(waiting_[request.id]);
    }
    waiting_.erase(request.id);
  }
  if (!answer) return EnvironmentError("the attacher does not answer");
  if (answer->message.error != 0) {
    const auto code = static_cast<int>(answer->message.error);
    return std::unexpected(Error{std::string(answer->message.Text()), code});
  }
  return *std::move(answer);
}

Result<std::string> ReadDescriptor(int descriptor) {
  constexpr size_t kMaxBytes = 4 << 20;
  std::string text;
  char part[16384];
  ssize_t size;
  while ((size = read(descriptor, part, sizeof(part))) > 0 && text.size() < kMaxBytes)
    text.append(part, static_cast<size_t>(size));
  if (size < 0) return ErrnoError("cannot read a file that the attacher opened");
  return text;
}

Result<std::string> ControlClient::ReadFile(NamedFile file) {
  auto answer = Call(ControlKind::kOpenFile, static_cast<uint64_t>(file));
  if (!answer) return std::unexpected(answer.error());
  if (!answer->descriptor) return EnvironmentError("the attacher sent no descriptor for a file");
  return ReadDescriptor(answer->descriptor.get());
}

void ControlClient::Tell(ControlKind kind, uint64_t value, int descriptor) {
  ControlMessage message;
  message.kind = kind;
  message.value = value;
  (void)SendControl(socket_, message, descriptor);  // if the attacher is gone, Read() says so
}

std::string ControlClient::ContainerOf(uint64_t cgroup_id) {
  const auto answer = Call(ControlKind::kContainerOf, cgroup_id);
  return answer ? std::string(answer->message.Text()) : std::string();
}

Result<ReceivedControl> ControlOpener::Ask(ControlKind kind, const SinkAddress& address) {
  const auto it = std::find(sinks_.begin(), sinks_.end(), address);
  if (it == sinks_.end()) return EnvironmentError("no such sink: " + address.Text());
  return control_.Call(kind, static_cast<uint64_t>(it - sinks_.begin()));
}

Result<UniqueFd> ControlOpener::Open(const SinkAddress& address) {
  auto answer = Ask(ControlKind::kOpenSink, address);
  if (!answer) return std::unexpected(answer.error());
  if (!answer->descriptor) return EnvironmentError("the attacher sent no descriptor for " + address.Text());
  return std::move(answer->descriptor);
}

Status ControlOpener::Rotate(const SinkAddress& address) {
  if (auto answer = Ask(ControlKind::kRotateSink, address); !answer) return std::unexpected(answer.error());
  return {};
}

}  // namespace podtap
