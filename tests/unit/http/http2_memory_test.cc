// SPDX-License-Identifier: Apache-2.0
// HTTP/2 of peers that want to use up memory: all that is held for them is counted, whatever they hold open, and what
// is counted stays below the limit. The allocator is the judge.
#include <gmock/gmock.h>
#include <malloc.h>

#include <functional>

#include "tests/unit/http/http2_story.h"

namespace podtap {
namespace {

size_t Allocated() { return mallinfo2().uordblks + mallinfo2().hblkhd; }  // 0 under sanitizers

constexpr int kConnections = 60;

// So many connections on which `say` was said, in a table that forgets everything in the end.
struct Crowd {
  explicit Crowd(size_t limit) : table(Table::DefaultOptions(), limit) { table.interests.reserve(64 * kConnections); }
  void Say(const std::function<void(Story&)>& say, bool relieve) {
    for (int i = 0; i < kConnections; ++i) {
      stories.push_back(std::make_unique<Story>(table, i + 1));
      say(*stories.back());
      table.interests.clear();
      table.events.clear();
      if (relieve) table.table.RelieveMemory();
    }
  }
  Table table;
  std::vector<std::unique_ptr<Story>> stories;
};

// What all those connections hold is charged, up to a sixth of it.
void ExpectCounted(const std::function<void(Story&)>& say) {
  {
    Crowd first(1 << 30);  // warms up what is kept for ever
    first.Say(say, false);
    for (auto& story : first.stories) story->Close();
    EXPECT_EQ(first.table.budget.used(), 0u);
  }
  Crowd crowd(1 << 30);
  const size_t before = Allocated();
  crowd.Say(say, false);
  const size_t held = Allocated() - before, counted = crowd.table.budget.used();
  EXPECT_LE(held, counted + counted / 6 + 65536) << held << " bytes are held, counted " << counted;
  for (auto& story : crowd.stories) story->Close();
  EXPECT_EQ(crowd.table.budget.used(), 0u);
}

std::string Length(size_t n) {  // of a string, RFC 7541 5.1 and 5.2, not Huffman coded
  if (n < 127) return std::string(1, static_cast<char>(n));
  std::string out = "\x7f";
  for (n -= 127; n >= 128; n >>= 7) out += static_cast<char>(n | 0x80);
  return out += static_cast<char>(n);
}
std::string Literal(char kind, std::string_view name, std::string_view value) {
  return std::string(1, kind).append(Length(name.size())).append(name).append(Length(value.size())).append(value);
}
std::string Inserted(std::string_view name, std::string_view value) { return Literal('\x40', name, value); }
const std::string kLargeTable("\x3f\xe1\xff\x03", 4);  // an update of the table's size to 65,536

// In frames of 16 KiB; the last one does not end the block.
std::string OpenBlock(uint32_t stream, std::string_view block) {
  std::string frames;
  for (bool first = true; !block.empty(); first = false) {
    const std::string_view piece = block.substr(0, 16384);
    frames += Frame(first ? Http2Frame::kHeaders : Http2Frame::kContinuation, 0, stream, piece);
    block.remove_prefix(piece.size());
  }
  return frames;
}
std::string Block(uint32_t stream, std::string_view block) {
  return OpenBlock(stream, block) + Frame(Http2Frame::kContinuation, kHttp2EndHeaders, stream);
}

struct Attack {
  const char* name;
  std::function<void(Story&)> say;
};

std::vector<Attack> Attacks() {
  std::string many;
  for (int i = 0; i < 2048; ++i) many += Inserted("", "");
  std::string fields;
  for (int i = 0; i < 1500; ++i) fields += Literal('\0', "n", "v");
  return {
      {"tables full of the smallest entries",
       [=](Story& s) { s.Open().Ingress(Preface()).Ingress(Block(1, kLargeTable + many)); }},
      {"the same in blocks that do not end",
       [=](Story& s) { s.Open().Ingress(Preface()).Ingress(OpenBlock(1, kLargeTable + many)); }},
      {"many fields of a block that does not end",
       [=](Story& s) { s.Open().Ingress(Preface()).Ingress(OpenBlock(1, fields)); }},
      {"strings that do not end",
       [=](Story& s) {
         const std::string open = Literal('\0', std::string(60000, 'n'), std::string(60000, 'v'));
         s.Open().Ingress(Preface()).Ingress(OpenBlock(1, open.substr(0, open.size() - 100)));
       }},
      {"pseudo-header fields of trailers",
       [=](Story& s) {
         s.Open().Ingress(Preface());
         for (const char* name : {":authority", ":scheme", ":protocol", ":method"})
           s.Ingress(Block(2, Literal('\0', name, std::string(60000, 'x'))));
       }},
      {"blocks that may be decoded again after a late join",
       [=](Story& s) {
         s.OpenLate().Ingress(WindowUpdate(0) + WindowUpdate(0) + WindowUpdate(0));
         s.Ingress(Block(1, Literal('\0', "n", std::string(60000, 'x'))));
         s.Ingress(OpenBlock(3, Literal('\0', "n", std::string(60000, 'x'))));
       }},
      {"what may be frames, in pieces of one byte",
       [=](Story& s) {
         s.OpenLate().Ingress(Frame(Http2Frame::kData, 0, 1, std::string(16384, 'x')).substr(0, 9));
         s.Slowly(Direction::kIngress, std::string(200, 'x'));
       }},
      {"what is no frames after all",
       [=](Story& s) {
         s.OpenLate().Ingress(Frame(Http2Frame::kData, 0, 1, std::string(16384, 'x')).substr(0, 9));
         s.Slowly(Direction::kIngress, std::string(2000, 'x'));
       }},
      {"open streams",
       [=](Story& s) {
         Http2Peer client;
         s.Open().Ingress(Preface());
         for (uint32_t id = 1; id < 800; id += 2) s.Ingress(client.Request(id, "POST", "/a", false));
       }},
      {"trailers of gRPC-Web",
       [=](Story& s) {
         Http2Peer client, server;
         s.Open().Ingress(Preface()).Egress(Settings());
         for (uint32_t id = 1; id < 100; id += 2) {
           s.Ingress(client.Request(id, "POST", "/a", true));
           s.Egress(server.Headers(id, {{":status", "200"}, {"content-type", "application/grpc-web"}}, false));
           s.Egress(Data(id, "\x80" + Big32(100000) + std::string(9000, 'x'), false));
         }
       }},
  };
}

TEST(Http2Memory, WhatIsHeldIsCounted) {
  for (const Attack& attack : Attacks()) {
    SCOPED_TRACE(attack.name);
    ExpectCounted(attack.say);
  }
}

TEST(Http2Memory, TheLimitIsKept) {
  constexpr size_t kLimit = 2 << 20;
  for (const Attack& attack : Attacks()) {
    SCOPED_TRACE(attack.name);
    Crowd crowd(kLimit);
    crowd.Say(attack.say, true);
    EXPECT_LE(crowd.table.budget.used(), kLimit);
    for (auto& story : crowd.stories) story->Close();
    EXPECT_EQ(crowd.table.budget.used(), 0u);
  }
}

}  // namespace
}  // namespace podtap
