// SPDX-License-Identifier: Apache-2.0
#include "sidecar/control.h"

#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace podtap {

void ControlMessage::SetText(std::string_view value_text) {
  const size_t size = std::min(value_text.size(), sizeof(text) - 1);
  std::memcpy(text, value_text.data(), size);
  text[size] = '\0';
}

std::string_view ControlMessage::Text() const { return {text, strnlen(text, sizeof(text))}; }

Result<ControlPair> MakeControlPair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
    return ErrnoError("cannot make the control socket");
  return ControlPair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Status SendControl(int socket, const ControlMessage& message, int descriptor) {
  iovec part{const_cast<ControlMessage*>(&message), sizeof(message)};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
  if (descriptor >= 0) {
    header.msg_control = space;
    header.msg_controllen = sizeof(space);
    cmsghdr* control = CMSG_FIRSTHDR(&header);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(control), &descriptor, sizeof(int));
  }
  ssize_t sent;
  do sent = sendmsg(socket, &header, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent < 0) return ErrnoError("cannot write to the control socket");
  return {};
}

std::optional<ReceivedControl> ReceiveControl(int socket) {
  ReceivedControl received;
  iovec part{&received.message, sizeof(received.message)};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
  header.msg_control = space;
  header.msg_controllen = sizeof(space);
  ssize_t size;
  do size = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  while (size < 0 && errno == EINTR);
  for (cmsghdr* control = size < 0 ? nullptr : CMSG_FIRSTHDR(&header); control != nullptr;
       control = CMSG_NXTHDR(&header, control)) {
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_RIGHTS) continue;
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(control), sizeof(int));
    received.descriptor.reset(descriptor);
  }
  if (size != sizeof(received.message) || (header.msg_flags & MSG_TRUNC) != 0) return std::nullopt;
  received.message.text[sizeof(received.message.text) - 1] = '\0';
  return received;
}

Status MayRotate(const SinkAddress& sink, uint64_t file_max_bytes) {
  struct stat file{};
  const bool may = sink.kind == SinkAddress::Kind::kFile && file_max_bytes > 0 &&
                   lstat(sink.path.c_str(), &file) == 0 && S_ISREG(file.st_mode) && file.st_size > 0;
  if (!may) return EnvironmentError("sink " + sink.Text() + " is not to be rotated");
  return {};
}

}  // namespace podtap
