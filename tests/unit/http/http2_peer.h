// SPDX-License-Identifier: Apache-2.0
// HTTP/2 as an endpoint sends it: frames by their parts, and header blocks by nghttp2's encoder.
#pragma once

#include <nghttp2/nghttp2.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sidecar/http/http2_frames.h"

namespace podtap {

using FieldList = std::vector<std::pair<std::string, std::string>>;

inline std::string Frame(Http2Frame type, uint8_t flags, uint32_t stream, std::string_view payload = {}) {
  std::string out;
  for (const int shift : {16, 8, 0}) out += static_cast<char>(payload.size() >> shift & 0xff);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(stream >> shift & 0xff);
  return out.append(payload);
}
inline std::string Big32(uint32_t value) {
  std::string out;
  for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(value >> shift & 0xff);
  return out;
}
inline std::string Data(uint32_t stream, std::string_view data, bool end = true) {
  return Frame(Http2Frame::kData, end ? kHttp2EndStream : 0, stream, data);
}
inline std::string Reset(uint32_t stream, uint32_t error) {
  return Frame(Http2Frame::kRstStream, 0, stream, Big32(error));
}
inline std::string Settings() { return Frame(Http2Frame::kSettings, 0, 0, std::string("\0\3\0\0\0\x64", 6)); }
inline std::string Preface() { return std::string(kHttp2Preface) + Settings(); }
inline std::string WindowUpdate(uint32_t stream) { return Frame(Http2Frame::kWindowUpdate, 0, stream, Big32(1000)); }
inline std::string GrpcMessage(std::string_view message, bool compressed = false) {
  return std::string(1, compressed ? '\1' : '\0') + Big32(static_cast<uint32_t>(message.size())) + std::string(message);
}

// In the order of the list: the operands of + are evaluated in any order, and compression has a memory.
inline std::string Join(std::initializer_list<std::string> pieces) {
  std::string out;
  for (const std::string& piece : pieces) out += piece;
  return out;
}

// One end's header compression.
class Http2Peer {
 public:
  explicit Http2Peer(size_t table = 4096) { nghttp2_hd_deflate_new(&deflater_, table); }
  ~Http2Peer() { nghttp2_hd_deflate_del(deflater_); }
  Http2Peer(const Http2Peer&) = delete;
  Http2Peer& operator=(const Http2Peer&) = delete;

  std::string Block(const FieldList& fields) {
    std::vector<nghttp2_nv> list;
    for (const auto& [name, value] : fields)
      list.push_back({reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
                      reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(), 0});
    std::string out(nghttp2_hd_deflate_bound(deflater_, list.data(), list.size()), '\0');
    const ssize_t size =
        nghttp2_hd_deflate_hd(deflater_, reinterpret_cast<uint8_t*>(out.data()), out.size(), list.data(), list.size());
    out.resize(static_cast<size_t>(size));
    return out;
  }
  std::string Headers(uint32_t stream, const FieldList& fields, bool end) {
    return Frame(Http2Frame::kHeaders, kHttp2EndHeaders | (end ? kHttp2EndStream : 0), stream, Block(fields));
  }
  std::string Request(uint32_t stream, std::string method, std::string path, bool end, FieldList more = {}) {
    FieldList fields = {
        {":method", std::move(method)}, {":scheme", "http"}, {":authority", "shop:80"}, {":path", std::move(path)}};
    fields.insert(fields.end(), more.begin(), more.end());
    return Headers(stream, fields, end);
  }
  std::string Get(uint32_t stream, std::string path) { return Request(stream, "GET", std::move(path), true); }
  std::string Response(uint32_t stream, std::string status, bool end, FieldList more = {}) {
    more.insert(more.begin(), {":status", std::move(status)});
    return Headers(stream, more, end);
  }
  std::string Ok(uint32_t stream, std::string_view body) {
    return Response(stream, "200", false, {{"content-type", "text/plain"}}).append(Data(stream, body));
  }

 private:
  nghttp2_hd_deflater* deflater_ = nullptr;
};

}  // namespace podtap
