// SPDX-License-Identifier: Apache-2.0
// What stands at the other end of a sink in tests: a folder that goes away with the test, unix sockets to listen on,
// and an opener that hands out descriptors the test made. Everything waits with poll() and a generous limit: a test
// that passes never sleeps, and one that hangs fails.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "sidecar/sink/sink.h"

namespace podtap {

inline constexpr int kPatienceMs = 20'000;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    char name[] = "/tmp/podtap_sink_XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

inline std::string FileText(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::stringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

// Looks every millisecond, for as long as a test may take.
inline bool Eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < kPatienceMs; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

inline bool WaitReadable(int fd) {
  pollfd ready{fd, POLLIN, 0};
  return poll(&ready, 1, kPatienceMs) == 1;
}

// One connection, or the reading end of a pipe: read by lines.
class Reader {
 public:
  explicit Reader(UniqueFd fd) : fd_(std::move(fd)) {}
  int fd() const { return fd_.get(); }

  // The next line without its end; empty at the end of file or of patience.
  std::string Line() {
    size_t end;
    while ((end = text_.find('\n')) == std::string::npos)
      if (!ReadMore(65536)) return {};
    std::string line = text_.substr(0, end);
    text_.erase(0, end + 1);
    return line;
  }
  std::vector<std::string> Lines(size_t n) {
    std::vector<std::string> lines;
    for (size_t i = 0; i < n; ++i) lines.push_back(Line());
    return lines;
  }
  // Reads at least `bytes` in all, keeping them.
  std::string AtLeast(size_t bytes) {
    while (text_.size() < bytes && ReadMore(bytes - text_.size())) {
    }
    return text_;
  }

 private:
  bool ReadMore(size_t at_most) {
    char buffer[65536];
    if (!WaitReadable(fd_.get())) return false;
    const ssize_t n = read(fd_.get(), buffer, std::min(at_most, sizeof(buffer)));
    if (n > 0) text_.append(buffer, static_cast<size_t>(n));
    return n > 0;
  }

  UniqueFd fd_;
  std::string text_;
};

// A unix socket at a path, as a collector has it.
class UnixServer {
 public:
  UnixServer(const std::string& path, int type) : path_(path), socket_(socket(AF_UNIX, type | SOCK_CLOEXEC, 0)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    path.copy(name.sun_path, sizeof(name.sun_path) - 1);
    unlink(path.c_str());
    ok_ = bind(socket_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0 &&
          (type == SOCK_DGRAM || listen(socket_.get(), 8) == 0);
  }
  ~UnixServer() { unlink(path_.c_str()); }
  bool ok() const { return ok_; }

  Reader Accept() {
    if (!WaitReadable(socket_.get())) return Reader(UniqueFd());
    return Reader(UniqueFd(accept4(socket_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  }
  // The next datagram; empty if none comes.
  std::string Datagram() {
    if (!WaitReadable(socket_.get())) return {};
    std::string datagram(1 << 20, '\0');
    const ssize_t n = recv(socket_.get(), datagram.data(), datagram.size(), 0);
    datagram.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return datagram;
  }

 private:
  std::string path_;
  UniqueFd socket_;
  bool ok_ = false;
};

// Hands out what the test gave it, in order; fails while there is nothing.
class HandedOut : public Opener {
 public:
  void Give(UniqueFd fd) {
    const std::lock_guard lock(mutex_);
    fds_.push_back(std::move(fd));
  }
  // Makes a pipe, gives its writing end, returns the reading one.
  Reader GivePipe(int flags) {
    int ends[2] = {-1, -1};
    if (pipe2(ends, O_CLOEXEC | flags) != 0) std::abort();
    Give(UniqueFd(ends[1]));
    return Reader(UniqueFd(ends[0]));
  }
  Result<UniqueFd> Open(const SinkAddress&) override {
    std::unique_lock lock(mutex_);
    ++opens_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return !stuck_; });
    if (fds_.empty()) return EnvironmentError("the test has nothing to give");
    UniqueFd fd = std::move(fds_.front());
    fds_.pop_front();
    return fd;
  }
  Status Rotate(const SinkAddress&) override { return EnvironmentError("the test does not rotate"); }

  // While stuck, Open() does not return.
  void SetStuck(bool stuck) {
    const std::lock_guard lock(mutex_);
    stuck_ = stuck;
    changed_.notify_all();
  }
  bool WaitForOpens(int n) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::milliseconds(kPatienceMs), [&] { return opens_ >= n; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<UniqueFd> fds_;
  int opens_ = 0;
  bool stuck_ = false;
};

}  // namespace podtap
