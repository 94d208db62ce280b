// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/protocol_guess.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace podtap {
namespace {

using namespace std::string_view_literals;

// The verdict on a whole text, after checking that no beginning of it says anything else but "need more".
Guess GuessAll(std::string_view text) {
  Guess last = Guess::kNeedMore;
  for (size_t n = 1; n <= text.size(); ++n) {
    const Guess guess = GuessProtocol(text.substr(0, n));
    if (last != Guess::kNeedMore) {
      EXPECT_EQ(guess, last) << text.substr(0, n);
    }
    last = guess;
  }
  return last;
}

TEST(ProtocolGuess, RequestsOfAnyMethodAndVersion) {
  for (const auto text :
       {"GET / HTTP/1.1\r\n"sv, "GET / HTTP/1.0\n"sv, "\r\n\r\nPOST /x HTTP/1.1\r\n"sv,
        "BREW coffee://pot HTTP/1.1\r\n"sv, "OPTIONS * HTTP/1.1\r\n"sv, "CONNECT h:443 HTTP/1.1\r\n"sv,
        "GET /old\r\n"sv, "GET / HTTP/9.9\r\n"sv, "get /a b HTTP/1.1\r\n"sv, "GET  / HTTP/1\r\n"sv})
    EXPECT_EQ(GuessAll(text), Guess::kHttp1Request) << text;
}

TEST(ProtocolGuess, Responses) {
  for (const auto text : {"HTTP/1.1 200 OK\r\n"sv, "HTTP/1.0 404\r\n"sv, "HTTP/1.1 200\n"sv, "HTTP/2 200 OK\r\n"sv})
    EXPECT_EQ(GuessAll(text), Guess::kHttp1Response) << text;
}

TEST(ProtocolGuess, TlsRecords) {
  EXPECT_EQ(GuessAll("\x16\x03\x01\x02\x00\x01"sv), Guess::kTls);
  EXPECT_EQ(GuessAll("\x17\x03\x03\x40\x11"sv), Guess::kTls);
  EXPECT_EQ(GuessAll("\x15\x03\x04\x00\x02"sv), Guess::kTls);
  EXPECT_EQ(GuessAll("\x16\x03\x05"sv), Guess::kOther);
  EXPECT_EQ(GuessAll("\x16\x03\x01\xff\xff"sv), Guess::kOther);
  EXPECT_EQ(GuessAll("\x18\x03"sv), Guess::kOther);
}

TEST(ProtocolGuess, TheHttp2Preface) {
  EXPECT_EQ(GuessAll("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Guess::kHttp2);
  EXPECT_EQ(GuessAll("PRI * HTTP/2.0\r\n"), Guess::kHttp2);  // all that a turn head holds
  EXPECT_EQ(GuessAll("PRI * HTTP/2.1\r\n"), Guess::kHttp1Request);
  EXPECT_EQ(GuessAll("PRI /x HTTP/1.1\r\n"), Guess::kHttp1Request);
}

TEST(ProtocolGuess, OtherTextProtocolsAreNotBrokenHttp) {
  for (const auto text : {"220 mail.example ESMTP\r\n"sv,
                          "EHLO example.org\r\n"sv,
                          "MAIL FROM:<a@b>\r\n"sv,
                          "SSH-2.0-OpenSSH_9.2\r\n"sv,
                          "*1\r\n$4\r\nPING\r\n"sv,
                          "+OK ready\r\n"sv,
                          "PING\r\n"sv,
                          "get key\r\n"sv,
                          "GET key\r\n"sv,
                          "SET /a b\r\n"sv,
                          "* OK IMAP4rev1\r\n"sv,
                          "a001 LOGIN u p\r\n"sv,
                          "USER anonymous\r\n"sv,
                          "STOR /pub/file\r\n"sv,
                          "OPTIONS rtsp://h/x RTSP/1.0\r\n"sv,
                          "INVITE sip:b@h SIP/2.0\r\n"sv,
                          "INFO {\"server_id\":1}\r\n"sv,
                          "HTTP/1.1 OK\r\n"sv,
                          "HTTPS please\r\n"sv,
                          "NICK a\r\n"sv,
                          "{\"json\": 1}\n"sv,
                          "\0\0\0\x08\x04\xd2\x16\x2f"sv,
                          "\x00\x00\x00\x54\x00\x03\x00\x00"sv,
                          "\x4a\x00\x00\x00\x0a"
                          "8.0.33"sv,
                          "AMQP\x00\x00\x09\x01"sv})
    EXPECT_EQ(GuessAll(text), Guess::kOther) << text;
}

TEST(ProtocolGuess, LongLinesAreJudgedByTheirBeginning) {
  const std::string path(3 * kGuessWindow, 'a');
  EXPECT_EQ(GuessProtocol("GET /" + path), Guess::kHttp1Request);
  EXPECT_EQ(GuessProtocol("XYZZY http://h/" + path), Guess::kHttp1Request);
  EXPECT_EQ(GuessProtocol("EVAL " + path), Guess::kOther);
  EXPECT_EQ(GuessProtocol("GET /\x01" + path), Guess::kOther);
  EXPECT_EQ(GuessProtocol(path), Guess::kOther);
  EXPECT_EQ(GuessProtocol(std::string(2 * kGuessWindow, '\n')), Guess::kOther);
  for (const char* begin : {"GET HTTP://h/", "CONNECT ", "GET  /", "GET ftp://"})
    EXPECT_EQ(GuessProtocol(begin + path), Guess::kHttp1Request) << begin;
}

TEST(ProtocolGuess, TheFirstBytesOfATurnMayBeTorn) {
  EXPECT_TRUE(LooksLikeTornRequest("GET /index.html?"));
  EXPECT_TRUE(LooksLikeTornRequest("\r\nPOST http://a/"));
  EXPECT_TRUE(LooksLikeTornRequest("CONNECT example."));
  EXPECT_FALSE(LooksLikeTornRequest("STOR /pub/incomi"));
  EXPECT_FALSE(LooksLikeTornRequest("GET some-key-nam"));
  EXPECT_FALSE(LooksLikeTornRequest("GET /x\r\nGET /y\r"));
  EXPECT_FALSE(LooksLikeTornRequest("0123456789abcdef"));
}

TEST(ProtocolGuess, StartLinesInTheMiddleOfOtherBytes) {
  EXPECT_EQ(FindStartLine("junk\nGET / HTTP/1.1\r\nrest"), Guess::kHttp1Request);
  EXPECT_EQ(FindStartLine("junk\n\nHTTP/1.1 200 OK\r\n"), Guess::kHttp1Response);
  EXPECT_EQ(FindStartLine("GET / HTTP/1.1\r\nHost: a\r\n"), Guess::kOther);  // its beginning may be torn off
  EXPECT_EQ(FindStartLine("junk\nGET / HTTP/1.1"), Guess::kOther);
}

}  // namespace
}  // namespace podtap
