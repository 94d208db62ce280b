// SPDX-License-Identifier: Apache-2.0
// Descriptor: an open sink as a SinkRunner writes it, whatever it is: file, pipe, terminal, stream or datagram socket.
// Write() does not wait for a reader: sockets are asked not to, pipes and terminals that are not O_NONBLOCK get at most
// PIPE_BUF bytes once poll() says that they have room.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/unique_fd.h"

namespace podtap {

class Descriptor {
 public:
  enum class Outcome : uint8_t {
    kWrote,     // `bytes` of it, at least one
    kWait,      // no room now: poll for POLLOUT
    kNoRoom,    // disk, quota or kernel memory is exhausted: try the same later
    kTooLarge,  // a datagram that does not fit
    kBroken,    // the other end is gone, or the descriptor is of no use any more
  };
  struct Attempt {
    Outcome outcome;
    size_t bytes = 0;
    int error = 0;
  };

  Descriptor() = default;
  explicit Descriptor(UniqueFd fd);

  Attempt Write(std::string_view bytes);
  int fd() const { return fd_.get(); }
  explicit operator bool() const { return static_cast<bool>(fd_); }
  bool is_regular_file() const { return is_regular_file_; }
  // Bytes in a regular file now.
  uint64_t FileSize() const;
  // Takes the last `bytes` of a regular file away again, if what this descriptor wrote last is still its end.
  void CutTail(uint64_t bytes);

 private:
  UniqueFd fd_;
  bool is_regular_file_ = false;
  bool is_socket_ = false;
  bool may_block_ = false;  // a pipe or terminal without O_NONBLOCK
};

}  // namespace podtap
