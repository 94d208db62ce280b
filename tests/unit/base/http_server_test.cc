// SPDX-License-Identifier: Apache-2.0
#include "base/http_server.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "base/metrics_text.h"

namespace podtap {
namespace {

std::string SocketPath() { return testing::TempDir() + "/http_server_test_" + std::to_string(getpid()) + ".sock"; }

class Client {
 public:
  explicit Client(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  void Send(const std::string& text) { ASSERT_EQ(write(fd_.get(), text.data(), text.size()), ssize_t(text.size())); }
  // Reads until `text` was seen, end of file, or 5 s without a byte.
  std::string ReadUntil(const std::string& text) {
    while (read_.find(text) == std::string::npos) {
      pollfd waiting{fd_.get(), POLLIN, 0};
      char part[4096];
      if (poll(&waiting, 1, 5000) != 1) break;
      const ssize_t size = read(fd_.get(), part, sizeof(part));
      if (size <= 0) break;
      read_.append(part, static_cast<size_t>(size));
    }
    return std::exchange(read_, {});
  }

 private:
  UniqueFd fd_;
  std::string read_;
};

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() {
    auto listener = ListenOn("unix:" + SocketPath());
    EXPECT_TRUE(listener) << listener.error().message;
    std::vector<UniqueFd> listeners;
    listeners.push_back(*std::move(listener));
    server_ = std::make_unique<HttpServer>(std::move(listeners), [this](const HttpRequest& r) { return Answer(r); });
  }
  ~HttpServerTest() override { unlink(SocketPath().c_str()); }

  HttpResponse Answer(const HttpRequest& request) {
    EXPECT_TRUE(request.over_unix_socket);
    if (request.path == "/echo")
      return HttpResponse::Text(200, request.method + " " + request.query + " " + request.body);
    if (request.path == "/throw") throw std::runtime_error("went wrong");
    if (request.path == "/empty") return HttpResponse::Text(204, "");
    if (request.path == "/tail") {
      HttpResponse response;
      response.body = "first\n";
      response.tail = [this](std::shared_ptr<HttpTail> tail) {
        tail->Push("second\n");
        const std::lock_guard lock(mutex_);
        tail_ = std::move(tail);
      };
      return response;
    }
    return HttpResponse::Text(404, "no such page\n");
  }
  std::shared_ptr<HttpTail> tail() {
    const std::lock_guard lock(mutex_);
    return tail_;
  }

  std::mutex mutex_;
  std::shared_ptr<HttpTail> tail_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, KeepsTheConnectionForTheNextRequest) {
  Client client(SocketPath());
  client.Send("GET /echo?a=1 HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(client.ReadUntil("GET a=1 ").find("HTTP/1.1 200 OK"), std::string::npos);
  client.Send("PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
  EXPECT_NE(client.ReadUntil("PUT  body").find("Content-Length: 9"), std::string::npos);
}

TEST_F(HttpServerTest, HeadHasTheLengthButNoBody) {
  Client client(SocketPath());
  client.Send("HEAD /echo?b HTTP/1.1\r\nHost: x\r\n\r\nGET /empty HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  const std::string answers = client.ReadUntil("never there");
  EXPECT_NE(answers.find("Content-Length: 7"), std::string::npos) << answers;
  EXPECT_EQ(answers.find("HEAD b"), std::string::npos);
  EXPECT_NE(answers.find("204 No Content"), std::string::npos);
}

TEST_F(HttpServerTest, AnswersWhatItCannotReadWith400AndCloses) {
  Client client(SocketPath());
  client.Send("NOT HTTP AT ALL\r\n\r\n");
  EXPECT_NE(client.ReadUntil("never there").find("400 Bad Request"), std::string::npos);
}

TEST_F(HttpServerTest, RefusesABodyBeyondItsLimit) {
  Client client(SocketPath());
  client.Send("PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
  EXPECT_NE(client.ReadUntil("never there").find("400 Bad Request"), std::string::npos);
}

TEST_F(HttpServerTest, AHandlerThatThrowsCostsOneAnswer) {
  Client client(SocketPath());
  client.Send("GET /throw HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(client.ReadUntil("went wrong").find("500 Internal"), std::string::npos);
  client.Send("GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(client.ReadUntil("no such page").find("404 Not Found"), std::string::npos);
}

TEST_F(HttpServerTest, ATailGoesOnUntilItsClientLeaves) {
  {
    Client client(SocketPath());
    client.Send("GET /tail HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string begin = client.ReadUntil("second\n");
    EXPECT_NE(begin.find("chunked"), std::string::npos);
    EXPECT_NE(begin.find("first\n"), std::string::npos);
    EXPECT_TRUE(tail()->Push("third\n"));
    EXPECT_NE(client.ReadUntil("third\n").find("third\n"), std::string::npos);
    EXPECT_FALSE(tail()->gone());
  }
  for (int i = 0; i < 500 && !tail()->gone(); ++i) usleep(10'000);
  EXPECT_TRUE(tail()->gone());
  EXPECT_FALSE(tail()->Push("fourth\n"));
}

TEST_F(HttpServerTest, ATailWhoseClientDoesNotReadLosesPiecesAndBlocksNobody) {
  Client client(SocketPath());
  client.Send("GET /tail HTTP/1.1\r\nHost: x\r\n\r\n");
  client.ReadUntil("second\n");
  const std::string piece(1 << 20, 'x');
  int lost = 0;
  for (int i = 0; i < 32; ++i) lost += tail()->Push(piece) ? 0 : 1;
  EXPECT_GT(lost, 0);
}

TEST_F(HttpServerTest, TooManyTailsAreTurnedAwayUntilOneHasGone) {
  std::vector<std::unique_ptr<Client>> clients;
  const auto look = [&] {
    clients.push_back(std::make_unique<Client>(SocketPath()));
    clients.back()->Send("GET /tail HTTP/1.1\r\nHost: x\r\n\r\n");
    return clients.back()->ReadUntil("\r\n");
  };
  for (int i = 0; i < 4; ++i) EXPECT_NE(look().find("200 OK"), std::string::npos);
  EXPECT_NE(look().find("503 "), std::string::npos);
  clients.front().reset();
  std::string answer;
  for (int i = 0; i < 500 && answer.find("200 OK") == std::string::npos; ++i, usleep(10'000)) answer = look();
  EXPECT_NE(answer.find("200 OK"), std::string::npos);
}

TEST(HttpServer, WhoeverFillsTheTcpPortLeavesRoomOnTheUnixSocket) {
  std::vector<UniqueFd> listeners;
  auto tcp = ListenOn("127.0.0.1:0");
  ASSERT_TRUE(tcp);
  sockaddr_in at{};
  socklen_t size = sizeof(at);
  ASSERT_EQ(getsockname(tcp->get(), reinterpret_cast<sockaddr*>(&at), &size), 0);
  listeners.push_back(*std::move(tcp));
  listeners.push_back(*ListenOn("unix:" + SocketPath()));
  const HttpServer server(std::move(listeners), [](const HttpRequest&) { return HttpResponse::Text(200, "here\n"); });
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 100; ++i) {
    idle.emplace_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(connect(idle.back().get(), reinterpret_cast<sockaddr*>(&at), size), 0);
  }
  usleep(100'000);  // until they were accepted; were they not yet, the test would only prove less
  Client client(SocketPath());
  client.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(client.ReadUntil("here").find("here"), std::string::npos);
  unlink(SocketPath().c_str());
}

TEST(ListenOn, ASocketWhereSomebodyListensIsNotTakenAway) {
  const std::string path = SocketPath();
  auto first = ListenOn("unix:" + path);
  ASSERT_TRUE(first);
  const auto second = ListenOn("unix:" + path);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another process does"), std::string::npos) << second.error().message;
  first->reset();  // a process that was killed leaves its socket behind
  EXPECT_TRUE(ListenOn("unix:" + path));
  unlink(path.c_str());
}

TEST(ListenOn, MakesTheFolderOfItsSocketAndKeepsBothToItsUser) {
  const std::string folder = testing::TempDir() + "/listen_on_" + std::to_string(getpid());
  const std::string path = folder + "/admin.sock";
  ASSERT_TRUE(ListenOn("unix:" + path));
  struct stat status{};
  ASSERT_EQ(stat(folder.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  unlink(path.c_str());
  rmdir(folder.c_str());
}

TEST(ListenOn, SaysWhatAnAddressMustLookLike) {
  for (const char* address : {"", "nothing", "localhost:80", "1.2.3.4", "1.2.3.4:port", "1.2.3.4:70000", "unix:"}) {
    const auto listener = ListenOn(address);
    ASSERT_FALSE(listener) << address;
    EXPECT_EQ(listener.error().exit_code, Error::kUsage) << address;
    const Status checked = CheckListenAddress(address);
    ASSERT_FALSE(checked) << address;
    EXPECT_EQ(checked.error().message, listener.error().message);
  }
  for (const char* address : {"127.0.0.1:0", "[::]:8080", "::1:8080", "unix:/no/such/folder/a.sock"})
    EXPECT_TRUE(CheckListenAddress(address)) << address;
  EXPECT_TRUE(ListenOn("127.0.0.1:0"));
  EXPECT_FALSE(ListenOn("unix:/no/such/folder/a.sock"));
}

TEST(MetricsText, RowsOfOneMetricStandTogether) {
  MetricsText text;
  text.Add("a_total", "x=\"1\"", "First.", 1);
  text.Add("b", "", "Second.", 2);
  text.Add("a_total", "x=\"2\"", "First.", 3);
  EXPECT_EQ(text.Finish(),
            "# HELP a_total First.\n# TYPE a_total counter\na_total{x=\"1\"} 1\na_total{x=\"2\"} 3\n"
            "# HELP b Second.\n# TYPE b gauge\nb 2\n");
  EXPECT_EQ(EscapeLabel("a\"b\\c\n"), "a\\\"b\\\\c\\n");
}

}  // namespace
}  // namespace podtap
