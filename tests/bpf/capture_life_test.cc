// SPDX-License-Identifier: Apache-2.0
// Attaching, refusing, leaving oneself out, and what is left when a process of ours dies.
#include <bpf/bpf.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/bpf/bpf_test_support.h"

namespace podtap {
namespace {

using ::testing::HasSubstr;

class CaptureLife : public CaptureBpf {
 protected:
  size_t AttachedPrograms() const {
    size_t all = 0;
    for (const bpf_attach_type type : {BPF_CGROUP_INET_INGRESS, BPF_CGROUP_INET_EGRESS, BPF_CGROUP_SOCK_OPS,
                                       BPF_CGROUP_INET_SOCK_CREATE, BPF_CGROUP_INET_SOCK_RELEASE}) {
      uint32_t flags = 0, count = 64, ids[64];
      if (bpf_prog_query(cgroup->fd(), type, 0, &flags, ids, &count) == 0) all += count;
    }
    return all;
  }
  static void Ping(const Pair& pair) {
    Send(pair.client.get(), "ping");
    Receive(pair.server.get(), 4);
  }
};

TEST_F(CaptureLife, SocketsOfTheOwnCgroupAreLeftOut) {
  TestCgroup own("sidecar", cgroup.get()), application("application", cgroup.get());
  Actor own_actor(own), application_actor(application);
  PacketCapture::Options options;
  options.mode = kCaptureAll;
  options.own_cgroup_id = own.id();
  Attach(options);
  UniqueFd outside(socket(AF_INET, SOCK_STREAM, 0));
  Listen(outside.get(), AF_INET);
  for (Actor* each : {&own_actor, &application_actor}) {
    UniqueFd client = each->Socket(AF_INET);
    Connect(client.get(), AF_INET, LocalPort(outside.get()));
    UniqueFd server = Accept(outside.get());
    Send(client.get(), "data");
    Receive(server.get(), 4);
    UniqueFd listener = each->Socket(AF_INET);
    Listen(listener.get(), AF_INET);
    UniqueFd visitor(socket(AF_INET, SOCK_STREAM, 0));
    Connect(visitor.get(), AF_INET, LocalPort(listener.get()));
    UniqueFd accepted = Accept(listener.get());
    Send(visitor.get(), "more");
    Receive(accepted.get(), 4);
  }
  Drain();
  ASSERT_EQ(seen.connections.size(), 2u);
  for (const auto& [cookie, c] : seen.connections) EXPECT_EQ(c.identity.cgroup_id, application.id());
  EXPECT_EQ(Count(kSlotsTaken), 2u);
}

TEST_F(CaptureLife, AnOwnSocketThatIsOlderThanTheAttachIsLeftOutByCgroup) {
  TestCgroup own("sidecar", cgroup.get());
  Actor own_actor(own);
  UniqueFd listener(socket(AF_INET, SOCK_STREAM, 0));
  Listen(listener.get(), AF_INET);
  UniqueFd client = own_actor.Socket(AF_INET);
  Connect(client.get(), AF_INET, LocalPort(listener.get()));
  UniqueFd server = Accept(listener.get());
  PacketCapture::Options options;
  options.mode = kCaptureAll;
  options.own_cgroup_id = own.id();
  Attach(options);
  Send(client.get(), "data");
  Receive(server.get(), 4);
  Drain();
  EXPECT_TRUE(seen.connections.empty());
}

TEST_F(CaptureLife, MarkedSocketsAreLeftOutWithWhatTheyAccept) {
  Attach(kCaptureAll);
  UniqueFd listener = InsideListener(AF_INET);
  ASSERT_TRUE(capture->IgnoreSocket(listener.get()));
  UniqueFd client = actor->Socket(AF_INET);
  ASSERT_TRUE(capture->IgnoreSocket(client.get()));
  Connect(client.get(), AF_INET, LocalPort(listener.get()));
  UniqueFd server = Accept(listener.get());
  Send(client.get(), "private");
  Receive(server.get(), 7);
  Drain();
  EXPECT_TRUE(seen.connections.empty());
  // One that is connected already.
  Pair pair = InsideServer(AF_INET);
  Ping(pair);
  Drain();
  ASSERT_TRUE(capture->IgnoreSocket(pair.server.get()));
  Ping(pair);
  Drain();
  EXPECT_EQ(seen.Find(pair.port, Role::kAccepted)->in.From(0), "ping");
}

TEST_F(CaptureLife, KilledBySignalNothingStaysAttached) {
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t child = fork();
  if (child == 0) {
    PacketCapture::Options options;
    options.cgroup_fd = cgroup->fd();
    auto attached = PacketCapture::Attach(options);
    (void)!write(ready[1], attached ? "y" : "n", 1);
    pause();
    _exit(0);
  }
  char answer = 0;
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  EXPECT_EQ(answer, 'y');
  EXPECT_EQ(AttachedPrograms(), 5u);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  for (int i = 0; i < 100 && AttachedPrograms() != 0; ++i) usleep(10000);
  EXPECT_EQ(AttachedPrograms(), 0u);
  close(ready[0]);
  close(ready[1]);
}

TEST_F(CaptureLife, AForkedReaderNeedsNoPrivilegeAndKeepsNothingAttached) {
  Attach(kCaptureAll);
  Pair pair = InsideServer(AF_INET);
  Ping(pair);
  struct Shared {
    int connections;
    char data[8];
  };
  auto* shared = static_cast<Shared*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  int go[2];
  ASSERT_EQ(pipe(go), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(go[1]);
    capture->ForgetPrograms();
    if (setgroups(0, nullptr) != 0 || setresgid(65534, 65534, 65534) != 0 || setresuid(65534, 65534, 65534) != 0)
      _exit(3);
    PacketSource reader(capture->memory(), counters);
    Collector found;
    reader.Poll(found, 1000);
    shared->connections = static_cast<int>(found.connections.size());
    if (const CapturedConnection* c = found.Find(pair.port, Role::kAccepted)) {
      strncpy(shared->data, c->in.From(0).c_str(), sizeof(shared->data) - 1);
      reader.Apply({c->identity.id, Direction::kIngress, Interest::Want::kNothing});
    }
    char byte;
    (void)!read(go[0], &byte, 1);
    _exit(0);
  }
  close(go[0]);
  for (int i = 0; i < 400 && shared->connections == 0; ++i) usleep(5000);
  EXPECT_EQ(shared->connections, 1);
  EXPECT_STREQ(shared->data, "ping");
  usleep(20000);
  Send(pair.client.get(), "muted by the child");
  Receive(pair.server.get(), 18);
  source = std::make_unique<PacketSource>(capture->memory(), counters);  // goes on where the child stood
  Drain();
  for (const auto& [cookie, c] : seen.connections) {
    EXPECT_EQ(c.in.bytes_copied, 0u) << "the child read the first record and muted the rest";
  }
  source.reset();
  capture.reset();
  for (int i = 0; i < 100 && AttachedPrograms() != 0; ++i) usleep(10000);
  EXPECT_EQ(AttachedPrograms(), 0u) << "though the child lives";
  close(go[1]);
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  munmap(shared, 4096);
}

TEST_F(CaptureLife, ANewReaderGoesOnWithTheRecordThatEndedTheOldOne) {
  Attach(kCaptureAll);
  Pair pair = InsideServer(AF_INET);
  for (const char* text : {"one.", "two.", "tri."}) {
    Send(pair.client.get(), text);
    Receive(pair.server.get(), 4);
    Send(pair.server.get(), "k");
    Receive(pair.client.get(), 1);
  }
  struct Dying : Collector {
    void OnSegment(const Segment& segment) override {
      if (segment.data.size() == 4 && segment.position == 4) throw std::runtime_error("dies of this record");
      Collector::OnSegment(segment);
    }
  } dying;
  EXPECT_THROW(source->Poll(dying, 1000), std::runtime_error);
  EXPECT_EQ(dying.connections.begin()->second.in.From(0), "one.");
  source = std::make_unique<PacketSource>(capture->memory(), counters);
  Dying again;
  EXPECT_THROW(source->Poll(again, 1000), std::runtime_error);
  EXPECT_TRUE(again.connections.empty()) << "what was read before is not read twice";
  EXPECT_TRUE(capture->SkipRecord());
  source = std::make_unique<PacketSource>(capture->memory(), counters);
  Drain();
  const CapturedConnection* c = seen.Find(pair.port, Role::kAccepted);
  ASSERT_NE(c, nullptr);
  EXPECT_EQ(c->in.From(8), "tri.");
  EXPECT_EQ(c->in.From(4), "") << "the bad record was passed over";
  EXPECT_FALSE(capture->SkipRecord()) << "nothing is being read";
}

TEST_F(CaptureLife, ASleepingReaderIsWokenByTheNextRecordOnly) {
  Attach(kCaptureAll);
  Pair pair = InsideServer(AF_INET);
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  Drain();
  ASSERT_EQ(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, source->wakeup_fd(), &event), 0);
  epoll_wait(epoll.get(), &event, 1, 0);
  Ping(pair);
  EXPECT_EQ(epoll_wait(epoll.get(), &event, 1, 50), 0) << "records wake nobody";
  Drain();
  source->WakeOnNextRecord();
  EXPECT_EQ(source->Poll(seen, 10), 0u);
  Ping(pair);
  EXPECT_EQ(epoll_wait(epoll.get(), &event, 1, 1000), 1);
  Drain();
  Ping(pair);
  EXPECT_EQ(epoll_wait(epoll.get(), &event, 1, 50), 0) << "once";
}

TEST_F(CaptureLife, AFillingRingWakesTheReader) {
  PacketCapture::Options options;
  options.mode = kCaptureAll;
  options.ring_bytes = 256 << 10;
  Attach(options);
  Pair pair = InsideServer(AF_INET);
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  ASSERT_EQ(epoll_ctl(epoll.get(), EPOLL_CTL_ADD, source->wakeup_fd(), &event), 0);
  epoll_wait(epoll.get(), &event, 1, 0);
  for (int i = 0; i < 150; ++i) Ping(pair);
  EXPECT_EQ(epoll_wait(epoll.get(), &event, 1, 1000), 1);
}

TEST_F(CaptureLife, AnExclusiveProgramOfSomebodyElseIsNamed) {
  const bpf_insn instructions[] = {
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .src_reg = 0, .off = 0, .imm = 1},
      {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
  LIBBPF_OPTS(bpf_prog_load_opts, load, .expected_attach_type = BPF_CGROUP_INET_INGRESS);
  UniqueFd program(bpf_prog_load(BPF_PROG_TYPE_CGROUP_SKB, "somebody_else", "GPL", instructions, 2, &load));
  ASSERT_TRUE(program);
  ASSERT_EQ(bpf_prog_attach(program.get(), cgroup->fd(), BPF_CGROUP_INET_INGRESS, 0), 0);
  PacketCapture::Options options;
  options.cgroup_fd = cgroup->fd();
  const auto attached = PacketCapture::Attach(options);
  ASSERT_FALSE(attached);
  EXPECT_THAT(attached.error().message, HasSubstr("of somebody else is attached exclusively"));
  EXPECT_EQ(attached.error().exit_code, Error::kEnvironment);
  EXPECT_EQ(AttachedPrograms(), 1u) << "nothing of ours stays";
  bpf_prog_detach2(program.get(), cgroup->fd(), BPF_CGROUP_INET_INGRESS);
}

TEST_F(CaptureLife, MissingCapabilitiesAreNamed) {
  int result[2];
  ASSERT_EQ(pipe(result), 0);
  const pid_t child = fork();
  if (child == 0) {
    if (setresuid(65534, 65534, 65534) != 0) _exit(1);
    PacketCapture::Options options;
    options.cgroup_fd = cgroup->fd();
    const auto attached = PacketCapture::Attach(options);
    const std::string text = attached ? "attached" : attached.error().message;
    (void)!write(result[1], text.data(), text.size());
    _exit(0);
  }
  close(result[1]);
  char text[512] = {};
  EXPECT_GT(read(result[0], text, sizeof(text) - 1), 0);
  EXPECT_THAT(text, HasSubstr("CAP_BPF, CAP_NET_ADMIN"));
  waitpid(child, nullptr, 0);
  close(result[0]);
}

TEST_F(CaptureLife, ADirectoryThatIsNoCgroupIsRefused) {
  UniqueFd directory(open("/tmp", O_RDONLY | O_DIRECTORY));
  PacketCapture::Options options;
  options.cgroup_fd = directory.get();
  const auto attached = PacketCapture::Attach(options);
  ASSERT_FALSE(attached);
  EXPECT_THAT(attached.error().message, HasSubstr("cgroup v2"));
}

TEST_F(CaptureLife, TwoCapturesStandSideBySide) {
  Attach(kCaptureAll);
  PacketCapture::Options options;
  options.cgroup_fd = cgroup->fd();
  auto second = PacketCapture::Attach(options);
  ASSERT_TRUE(second) << second.error().message;
  PacketSource second_source((*second)->memory(), counters);
  Pair pair = InsideServer(AF_INET);
  Ping(pair);
  pair.client.reset();
  pair.server.reset();
  Drain();
  Collector second_seen;
  second_source.Poll(second_seen, 1000);
  EXPECT_EQ(seen.Find(pair.port, Role::kAccepted)->in.From(0), "ping");
  EXPECT_EQ(second_seen.Find(pair.port, Role::kAccepted)->in.From(0), "ping");
  EXPECT_TRUE(second_seen.connections.begin()->second.closed);
}

}  // namespace
}  // namespace podtap
