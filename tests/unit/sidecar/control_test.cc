// SPDX-License-Identifier: Apache-2.0
#include "sidecar/control.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <fstream>
#include <thread>

#include "sidecar/control_client.h"

namespace podtap {
namespace {

TEST(Control, AMessageAndItsDescriptorArrive) {
  auto pair = MakeControlPair();
  ASSERT_TRUE(pair);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd reading(ends[0]);
  UniqueFd writing(ends[1]);
  ControlMessage message;
  message.kind = ControlKind::kOpenSink;
  message.value = 7;
  message.SetText("hello");
  ASSERT_TRUE(SendControl(pair->worker.get(), message, writing.get()));
  writing.reset();
  auto received = ReceiveControl(pair->attacher.get());
  ASSERT_TRUE(received);
  EXPECT_EQ(received->message.value, 7u);
  EXPECT_EQ(received->message.Text(), "hello");
  ASSERT_EQ(write(received->descriptor.get(), "x", 1), 1);
  char c = 0;
  EXPECT_EQ(read(reading.get(), &c, 1), 1);
}

TEST(Control, AMessageOfAnotherSizeIsRefused) {
  auto pair = MakeControlPair();
  ASSERT_TRUE(pair);
  const char text[300] = {};
  ASSERT_GT(send(pair->worker.get(), text, 10, 0), 0);
  EXPECT_FALSE(ReceiveControl(pair->attacher.get()));
  ASSERT_GT(send(pair->worker.get(), text, sizeof(text), 0), 0);
  EXPECT_FALSE(ReceiveControl(pair->attacher.get()));
  pair->worker.reset();
  EXPECT_FALSE(ReceiveControl(pair->attacher.get()));
}

TEST(Control, LongTextsAreCutAndAlwaysEnd) {
  ControlMessage message;
  message.SetText(std::string(1000, 'a'));
  EXPECT_EQ(message.Text(), std::string(231, 'a'));
}

// An attacher that answers by a thread.
class ControlClientTest : public testing::Test {
 protected:
  ControlClientTest() {
    auto pair = MakeControlPair();
    EXPECT_TRUE(pair);
    pair_ = *std::move(pair);
    client_ = std::make_unique<ControlClient>(pair_.worker.get(), [this](ControlKind kind, UniqueFd) { last_ = kind; });
  }
  ControlPair pair_;
  std::atomic<ControlKind> last_{ControlKind::kReply};
  std::unique_ptr<ControlClient> client_;
};

TEST_F(ControlClientTest, AnswersGoToWhoAskedEvenOutOfOrder) {
  std::thread attacher([this] {
    auto first = ReceiveControl(pair_.attacher.get());
    auto second = ReceiveControl(pair_.attacher.get());
    for (auto* request : {&second, &first}) {
      ControlMessage reply;
      reply.id = (*request)->message.id;
      reply.SetText("container " + std::to_string((*request)->message.value));
      ASSERT_TRUE(SendControl(pair_.attacher.get(), reply));
    }
  });
  std::string other;
  std::thread asking([&] { other = client_->ContainerOf(1); });
  EXPECT_EQ(client_->ContainerOf(2), "container 2");
  asking.join();
  attacher.join();
  EXPECT_EQ(other, "container 1");
}

TEST_F(ControlClientTest, AnErrorKeepsItsMessageAndExitCode) {
  std::thread attacher([this] {
    auto request = ReceiveControl(pair_.attacher.get());
    ControlMessage reply;
    reply.id = request->message.id;
    reply.error = 2;
    reply.SetText("no such file");
    ASSERT_TRUE(SendControl(pair_.attacher.get(), reply));
  });
  ControlOpener opener(*client_, {SinkAddress{SinkAddress::Kind::kFile, "/x"}});
  const auto opened = opener.Open(SinkAddress{SinkAddress::Kind::kFile, "/x"});
  attacher.join();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().message, "no such file");
  EXPECT_EQ(opened.error().exit_code, 2);
  EXPECT_FALSE(opener.Open(SinkAddress{SinkAddress::Kind::kFile, "/etc/shadow"}));
}

TEST_F(ControlClientTest, WhenTheAttacherIsGoneNobodyWaitsAndTheWorkerIsToldToStop) {
  std::thread attacher([this] {
    ReceiveControl(pair_.attacher.get());
    pair_.attacher.reset();
  });
  EXPECT_FALSE(client_->Call(ControlKind::kOpenSink, 0));
  attacher.join();
  client_.reset();
  EXPECT_EQ(last_, ControlKind::kStop);
}

TEST(MayRotate, OnlyAFileWithSomethingInItWhereRotationWasConfigured) {
  const std::string path = ::testing::TempDir() + "podtap-may-rotate-" + std::to_string(getpid());
  std::ofstream(path) << "x";
  const SinkAddress file{SinkAddress::Kind::kFile, path};
  EXPECT_TRUE(MayRotate(file, 1000));
  EXPECT_FALSE(MayRotate(file, 0));
  EXPECT_FALSE(MayRotate(SinkAddress{SinkAddress::Kind::kUnixStream, path}, 1000)) << "the collector's socket";
  EXPECT_FALSE(MayRotate(SinkAddress{SinkAddress::Kind::kUnixDatagram, path}, 1000));
  EXPECT_FALSE(MayRotate(SinkAddress{}, 1000));
  std::ofstream(path, std::ios::trunc).flush();
  EXPECT_FALSE(MayRotate(file, 1000)) << "again and again would rotate everything away";
  std::remove(path.c_str());
  EXPECT_EQ(symlink("/etc/passwd", path.c_str()), 0);
  EXPECT_FALSE(MayRotate(file, 1000));
  std::remove(path.c_str());
}

}  // namespace
}  // namespace podtap
