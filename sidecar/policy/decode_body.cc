// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/decode_body.h"

#include <brotli/decode.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "sidecar/event/header_list.h"

namespace podtap {
namespace {

using Outcome = Decoded::Outcome;

constexpr size_t kMaxCodings = 3;
constexpr size_t kFreeOutput = 64 << 10;
constexpr size_t kPiece = 16 << 10;

// Output that grows by pieces until a limit.
class Output {
 public:
  Output(size_t input, DecodeLimits limits)
      : limit_(limits.max_bytes), bomb_(std::max(kFreeOutput, input * limits.max_ratio)) {}
  // Room for the next piece; empty: the limit is reached.
  std::pair<char*, size_t> Room() {
    used_ = text_.size();
    text_.resize(std::min(used_ + kPiece, limit_));
    return {text_.data() + used_, text_.size() - used_};
  }
  void Took(size_t bytes) { text_.resize(used_ + bytes); }
  bool full() const { return text_.size() >= limit_; }
  bool is_bomb() const { return text_.size() > bomb_; }
  std::string Take() { return std::move(text_); }

 private:
  const size_t limit_, bomb_;
  std::string text_;
  size_t used_ = 0;
};

Outcome RunZlib(int window, std::string_view body, Output& output) {
  z_stream stream{};
  if (inflateInit2(&stream, window) != Z_OK) return Outcome::kBroken;
  const std::unique_ptr<z_stream, decltype(&inflateEnd)> owner(&stream, &inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(body.data()));
  stream.avail_in = static_cast<uInt>(body.size());
  while (!output.full()) {
    const auto [room, size] = output.Room();
    stream.next_out = reinterpret_cast<Bytef*>(room);
    stream.avail_out = static_cast<uInt>(size);
    const int outcome = inflate(&stream, Z_NO_FLUSH);
    output.Took(size - stream.avail_out);
    if (output.is_bomb()) return Outcome::kTooMuch;
    if (outcome == Z_STREAM_END) {
      // gzip files may follow one another (RFC 1952 2.2).
      if (stream.avail_in == 0 || window != 31) return Outcome::kWhole;
      if (inflateReset(&stream) != Z_OK) return Outcome::kBroken;
    } else if (outcome == Z_BUF_ERROR || (outcome == Z_OK && stream.avail_in == 0 && stream.avail_out != 0)) {
      return Outcome::kCut;
    } else if (outcome != Z_OK) {
      return Outcome::kBroken;
    }
  }
  return Outcome::kCut;
}

Outcome RunBrotli(std::string_view body, Output& output) {
  const std::unique_ptr<BrotliDecoderState, decltype(&BrotliDecoderDestroyInstance)> state(
      BrotliDecoderCreateInstance(nullptr, nullptr, nullptr), &BrotliDecoderDestroyInstance);
  if (!state) return Outcome::kBroken;
  size_t left = body.size();
  const auto* next = reinterpret_cast<const uint8_t*>(body.data());
  while (!output.full()) {
    auto [room, size] = output.Room();
    size_t free = size;
    auto* to = reinterpret_cast<uint8_t*>(room);
    const BrotliDecoderResult result = BrotliDecoderDecompressStream(state.get(), &left, &next, &free, &to, nullptr);
    output.Took(size - free);
    if (output.is_bomb()) return Outcome::kTooMuch;
    if (result == BROTLI_DECODER_RESULT_SUCCESS) return Outcome::kWhole;
    if (result == BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT) return Outcome::kCut;
    if (result == BROTLI_DECODER_RESULT_ERROR) return Outcome::kBroken;
  }
  return Outcome::kCut;
}

Outcome RunZstd(std::string_view body, Output& output) {
  const std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context(ZSTD_createDCtx(), &ZSTD_freeDCtx);
  // RFC 9659: content coding zstd needs no larger window than 8 MiB.
  if (!context || ZSTD_isError(ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, 23)) != 0)
    return Outcome::kBroken;
  ZSTD_inBuffer in{body.data(), body.size(), 0};
  while (!output.full()) {
    const auto [room, size] = output.Room();
    ZSTD_outBuffer out{room, size, 0};
    const size_t result = ZSTD_decompressStream(context.get(), &out, &in);
    output.Took(out.pos);
    if (ZSTD_isError(result) != 0) return Outcome::kBroken;
    if (output.is_bomb()) return Outcome::kTooMuch;
    if (in.pos == in.size && out.pos < out.size) return result == 0 ? Outcome::kWhole : Outcome::kCut;
  }
  return Outcome::kCut;
}

Decoded DecodeOne(std::string_view coding, std::string_view body, DecodeLimits limits) {
  Output output(body.size(), limits);
  Outcome outcome = Outcome::kBroken;
  if (EqualsIgnoreCase(coding, "gzip") || EqualsIgnoreCase(coding, "x-gzip")) {
    outcome = RunZlib(31, body, output);
  } else if (EqualsIgnoreCase(coding, "deflate")) {
    outcome = RunZlib(15, body, output);
    // Some send the raw format (RFC 9110 8.4.1.2).
    if (outcome == Outcome::kBroken) {
      Output raw(body.size(), limits);
      outcome = RunZlib(-15, body, raw);
      return {outcome, raw.Take()};
    }
  } else if (EqualsIgnoreCase(coding, "br")) {
    outcome = RunBrotli(body, output);
  } else if (EqualsIgnoreCase(coding, "zstd")) {
    outcome = RunZstd(body, output);
  }
  return {outcome, output.Take()};
}

// In the order in which they were applied, without "identity".
std::vector<std::string_view> CodingsOf(std::string_view list) {
  std::vector<std::string_view> codings;
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    std::string_view coding = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    while (coding.starts_with(' ') || coding.starts_with('\t')) coding.remove_prefix(1);
    while (coding.ends_with(' ') || coding.ends_with('\t')) coding.remove_suffix(1);
    if (!coding.empty() && !EqualsIgnoreCase(coding, "identity")) codings.push_back(coding);
  }
  return codings;
}

}  // namespace

bool IsCoded(std::string_view content_encoding) { return !CodingsOf(content_encoding).empty(); }

Decoded DecodeBody(std::string_view content_encoding, std::string_view body, DecodeLimits limits) {
  std::vector<std::string_view> codings = CodingsOf(content_encoding);
  if (codings.size() > kMaxCodings) return {};
  Decoded decoded{Outcome::kWhole, std::string(body)};
  bool cut = false;
  for (; !codings.empty(); codings.pop_back()) {
    decoded = DecodeOne(codings.back(), decoded.text, limits);
    cut = cut || decoded.outcome == Outcome::kCut;
    if (decoded.outcome == Outcome::kBroken || decoded.outcome == Outcome::kTooMuch) return {decoded.outcome, {}};
  }
  if (cut) decoded.outcome = Outcome::kCut;
  return decoded;
}

}  // namespace podtap
