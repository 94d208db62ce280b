// SPDX-License-Identifier: Apache-2.0
#include "tests/bpf/bpf_test_support.h"

#include <fcntl.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace podtap {
namespace {

[[noreturn]] void Fail(const std::string& what) { throw std::runtime_error(what + ": " + strerror(errno)); }

std::string Cgroup2Mount() {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(" - cgroup2 ") == std::string::npos) continue;
    std::istringstream fields(line);
    std::string field;
    for (int i = 0; i < 5; ++i) fields >> field;
    return field;
  }
  return "";
}

// Why these tests cannot run here; empty if they can.
std::string WhyNot() {
  if (geteuid() != 0) return "needs root";
  if (Cgroup2Mount().empty()) return "needs cgroup v2";
  static const bool namespace_ready = [] {
    if (unshare(CLONE_NEWNET) != 0) return false;
    UniqueFd any(socket(AF_INET, SOCK_DGRAM, 0));
    ifreq request{};
    strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    std::ofstream("/proc/sys/net/ipv4/tcp_fastopen") << "3";
    return ioctl(any.get(), SIOCSIFFLAGS, &request) == 0;
  }();
  return namespace_ready ? "" : "cannot make a network namespace";
}

void SendFd(int control, int fd) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char buffer[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = buffer;
  message.msg_controllen = sizeof(buffer);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &fd, sizeof(fd));
  (void)sendmsg(control, &message, 0);
}

UniqueFd ReceiveFd(int control) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) char buffer[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = buffer;
  message.msg_controllen = sizeof(buffer);
  if (recvmsg(control, &message, MSG_CMSG_CLOEXEC) != 1) Fail("actor");
  int fd = -1;
  memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
  return UniqueFd(fd);
}

}  // namespace

TestCgroup::TestCgroup(const std::string& name, const TestCgroup* parent) {
  path_ = (parent != nullptr ? parent->path() : Cgroup2Mount()) + "/" + name + "-" + std::to_string(getpid());
  if (mkdir(path_.c_str(), 0755) != 0) Fail(path_);
  fd_.reset(open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

TestCgroup::~TestCgroup() {
  for (int i = 0; i < 200 && rmdir(path_.c_str()) != 0 && errno == EBUSY; ++i) usleep(5000);
}

uint64_t TestCgroup::id() const {
  struct stat status{};
  fstat(fd_.get(), &status);
  return status.st_ino;
}

void TestCgroup::Enter() const { std::ofstream(path_ + "/cgroup.procs") << "0" << std::flush; }

Actor::Actor(const TestCgroup& cgroup) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) Fail("socketpair");
  pid_ = fork();
  if (pid_ == 0) {
    close(ends[0]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "test-actor");
    cgroup.Enter();
    for (int family = 0; read(ends[1], &family, sizeof(family)) == sizeof(family);) {
      const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
      SendFd(ends[1], fd);
      close(fd);
    }
    _exit(0);
  }
  close(ends[1]);
  control_.reset(ends[0]);
  Socket(AF_INET);  // waits until it is in the cgroup
}

Actor::~Actor() {
  control_.reset();
  waitpid(pid_, nullptr, 0);
}

UniqueFd Actor::Socket(int family) {
  if (write(control_.get(), &family, sizeof(family)) != sizeof(family)) Fail("actor");
  return ReceiveFd(control_.get());
}

sockaddr_storage Loopback(int family, uint16_t port) {
  sockaddr_storage storage{};
  if (family == AF_INET) {
    auto& address = reinterpret_cast<sockaddr_in&>(storage);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  } else {
    auto& address = reinterpret_cast<sockaddr_in6&>(storage);
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    address.sin6_addr = in6addr_loopback;
  }
  return storage;
}

socklen_t LengthOf(int family) { return family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6); }

uint16_t LocalPort(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof(storage);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) Fail("getsockname");
  // The port stands at the same place in both families.
  return ntohs(reinterpret_cast<sockaddr_in&>(storage).sin_port);
}

void Listen(int fd, int family, int backlog) {
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
  const sockaddr_storage address = Loopback(family, 0);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), LengthOf(family)) != 0) Fail("bind");
  if (listen(fd, backlog) != 0) Fail("listen");
}

void Connect(int fd, int family, uint16_t port) {
  const sockaddr_storage address = Loopback(family, port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), LengthOf(family)) != 0) Fail("connect");
}

UniqueFd Accept(int listener) {
  UniqueFd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd) Fail("accept");
  return fd;
}

void Send(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t sent = send(fd, data.data(), data.size(), MSG_NOSIGNAL);
    if (sent <= 0) Fail("send");
    data.remove_prefix(static_cast<size_t>(sent));
  }
}

std::string Receive(int fd, size_t bytes) {
  std::string all;
  std::vector<char> buffer(1 << 20);
  while (all.size() < bytes) {
    const ssize_t got = recv(fd, buffer.data(), std::min(buffer.size(), bytes - all.size()), 0);
    if (got <= 0) break;
    all.append(buffer.data(), static_cast<size_t>(got));
  }
  return all;
}

std::string Pattern(size_t bytes, uint32_t seed) {
  std::string text(bytes, '\0');
  uint64_t state = seed * 0x9e3779b97f4a7c15ULL + 1;
  for (size_t i = 0; i < bytes; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    text[i] = static_cast<char>(state >> 33);
  }
  return text;
}

void Reset(UniqueFd fd) {
  const linger now{1, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

std::string CapturedStream::From(uint64_t from) const {
  std::string all;
  for (const auto& [position, data] : pieces) {
    const uint64_t next = from + all.size();
    if (position > next) break;
    if (position + data.size() <= next) continue;
    all += data.substr(next - position);
  }
  return all;
}

bool CapturedStream::Covers(uint64_t from, uint64_t to) const {
  std::map<uint64_t, uint64_t> ends;
  for (const auto& [position, data] : pieces) ends[position] = std::max(ends[position], position + data.size());
  for (const auto& [position, bytes] : skipped) ends[position] = std::max(ends[position], position + bytes);
  uint64_t at = from;
  for (const auto& [position, end] : ends) {
    if (position > at) break;
    at = std::max(at, end);
  }
  return at >= to;
}

CapturedConnection& Collector::At(const Connection& connection) {
  CapturedConnection& captured = connections[connection.id.value];
  captured.identity = connection;
  ++captured.records;
  return captured;
}

void Collector::OnOpen(const Connection& connection, bool from_first_byte, Timestamp) {
  CapturedConnection& captured = At(connection);
  captured.opened = true;
  captured.from_first_byte = from_first_byte;
}

void Collector::OnSegment(const Segment& segment) {
  CapturedConnection& captured = At(*segment.connection);
  captured.from_first_byte = segment.from_first_byte;
  CapturedStream& stream = segment.direction == Direction::kIngress ? captured.in : captured.out;
  if (!segment.data.empty()) {
    const std::string data(reinterpret_cast<const char*>(segment.data.data()), segment.data.size());
    std::string& piece = stream.pieces[segment.position];
    if (piece.size() < data.size()) piece = data;
    stream.bytes_copied += data.size();
  }
  if (segment.skipped > 0) {
    uint64_t& skipped = stream.skipped[segment.position + segment.data.size()];
    skipped = std::max(skipped, segment.skipped);
  }
  stream.fin |= segment.fin;
  captured.reset |= segment.reset;
  captured.received = std::max(captured.received, segment.received.value_or(0));
  captured.acknowledged = std::max(captured.acknowledged, segment.acknowledged.value_or(0));
}

void Collector::OnClose(const SocketClosed& close) {
  CapturedConnection& captured = At(*close.connection);
  captured.closed = true;
  captured.received = std::max(captured.received, close.received.value_or(0));
  captured.acknowledged = std::max(captured.acknowledged, close.acknowledged.value_or(0));
}

const CapturedConnection* Collector::Find(uint16_t local_port, Role role) const {
  for (const auto& [cookie, captured] : connections) {
    if (captured.identity.local.port == local_port && captured.identity.role == role) return &captured;
  }
  return nullptr;
}

const CapturedConnection* Collector::FindRemote(uint16_t remote_port, Role role) const {
  for (const auto& [cookie, captured] : connections) {
    if (captured.identity.remote.port == remote_port && captured.identity.role == role) return &captured;
  }
  return nullptr;
}

void CaptureBpf::SetUp() {
  if (const std::string why = WhyNot(); !why.empty()) GTEST_SKIP() << why;
  signal(SIGPIPE, SIG_IGN);
  cgroup = std::make_unique<TestCgroup>("podtap-bpf-test");
  actor = std::make_unique<Actor>(*cgroup);
}

void CaptureBpf::Attach(PacketCapture::Options options) {
  options.cgroup_fd = cgroup->fd();
  auto attached = PacketCapture::Attach(options);
  ASSERT_TRUE(attached) << attached.error().message;
  capture = *std::move(attached);
  source = std::make_unique<PacketSource>(capture->memory(), counters);
}

void CaptureBpf::Attach(int mode) {
  PacketCapture::Options options;
  options.mode = mode;
  Attach(options);
}

void CaptureBpf::Drain() {
  for (int quiet = 0; quiet < 4;) {
    if (source->Poll(seen, 100000) > 0) {
      quiet = 0;
    } else {
      ++quiet;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
}

UniqueFd CaptureBpf::InsideListener(int family) {
  UniqueFd listener = actor->Socket(family);
  Listen(listener.get(), family);
  return listener;
}

CaptureBpf::Pair CaptureBpf::InsideServer(int family) {
  Pair pair;
  pair.listener = InsideListener(family);
  pair.port = LocalPort(pair.listener.get());
  pair.client.reset(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Connect(pair.client.get(), family, pair.port);
  pair.client_port = LocalPort(pair.client.get());
  pair.server = Accept(pair.listener.get());
  return pair;
}

CaptureBpf::Pair CaptureBpf::InsideClient(int family) {
  Pair pair;
  pair.listener.reset(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Listen(pair.listener.get(), family);
  pair.port = LocalPort(pair.listener.get());
  pair.client = actor->Socket(family);
  Connect(pair.client.get(), family, pair.port);
  pair.client_port = LocalPort(pair.client.get());
  pair.server = Accept(pair.listener.get());
  return pair;
}

}  // namespace podtap
