// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/hpack_decoder.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <utility>

namespace podtap {
namespace {

constexpr size_t kSmallestEntry = 32;
constexpr size_t kFrameHeader = 9;
constexpr size_t kKeptBlock = 1024;  // a larger buffer is not used again
// A literal with incremental indexing, empty name, empty value (RFC 7541 6.2.1).
constexpr std::string_view kPlaceholder("\x40\x00\x00", 3);

std::string_view Text(const uint8_t* data, size_t size) { return {reinterpret_cast<const char*>(data), size}; }

// A dynamic table size update (RFC 7541 6.3): an integer with a prefix of five bits.
std::string SizeUpdate(size_t size) {
  std::string out(1, '\x3f');
  for (size -= 31; size >= 128; size >>= 7) out += static_cast<char>(size | 0x80);
  out += static_cast<char>(size);
  return out;
}

}  // namespace

void HpackDecoder::Free::operator()(nghttp2_hd_inflater* inflater) const { nghttp2_hd_inflate_del(inflater); }

void HpackDecoder::Make(size_t table) {
  nghttp2_hd_inflater* inflater = nullptr;
  if (nghttp2_hd_inflate_new2(&inflater, memory_.get()) != 0) inflater = nullptr;
  inflater_.reset(inflater);
  if (inflater != nullptr) nghttp2_hd_inflate_change_table_size(inflater, std::max(allowed_, table));
}

// A fresh inflater whose table holds nothing but placeholders. False if they are not paid for (nothing was done then)
// or there is no memory.
bool HpackDecoder::Fill(size_t table) {
  const size_t placeholders = table / kSmallestEntry;
  if (placeholders > credit_) {
    counters_.Add(Counter::kHpackUnpaid);
    return false;
  }
  credit_ -= placeholders;
  made_ += placeholders;
  Make(table);
  if (inflater_ == nullptr) return false;
  std::string block = table == kSmallTable ? std::string() : SizeUpdate(table);
  for (size_t i = 0; i < placeholders; ++i) block += kPlaceholder;
  may_grow_ = table == kSmallTable;
  return Inflate(block, true, nullptr);
}

void HpackDecoder::Allow(size_t bytes) {
  // What the encoder makes of a smaller one it says itself.
  allowed_ = std::max(allowed_, std::min(bytes, kLargestTable));
}

bool HpackDecoder::Inflate(std::string_view data, bool last, Handler* handler) {
  const auto* in = reinterpret_cast<const uint8_t*>(data.data());
  size_t size = data.size();
  for (;;) {
    nghttp2_nv field{};
    int flags = 0;
    const ssize_t used = nghttp2_hd_inflate_hd2(inflater_.get(), &field, &flags, in, size, last ? 1 : 0);
    if (used < 0) return false;
    in += used;
    size -= static_cast<size_t>(used);
    const bool emitted = (flags & NGHTTP2_HD_INFLATE_EMIT) != 0;
    if (emitted && handler != nullptr) {
      const std::string_view name = Text(field.name, field.namelen), value = Text(field.value, field.valuelen);
      if (HpackCutter::IsFiller(name) || HpackCutter::IsFiller(value)) {
        handler->OnLongField();
      } else {
        handler->OnField(name, value);
      }
    }
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
      nghttp2_hd_inflate_end_headers(inflater_.get());
      return true;
    }
    if (!emitted && size == 0) return true;
  }
}

bool HpackDecoder::Read(std::string_view data, bool last, Handler& handler) {
  if (!cutter_) return Inflate(data, last, &handler);
  const size_t table = nghttp2_hd_inflate_get_max_dynamic_table_size(inflater_.get());
  return cutter_->Feed(data, table, [&](std::string_view piece) { return Inflate(piece, false, &handler); }) &&
         (!last || Inflate({}, true, &handler));
}

void HpackDecoder::Earn(size_t bytes) {
  credit_ = std::min(credit_ + std::min(bytes, kFreePlaceholders), kFreePlaceholders);
}

void HpackDecoder::Begin() {
  in_block_ = begun_ = true;
  failed_ = false;
  Earn(kFrameHeader);
  if (lost_) {
    failed_ = !Fill(kSmallTable);
    if (failed_) return counters_.Add(Counter::kHpackFailed);
    lost_ = false;
  }
  if (inflater_ == nullptr) Make(kSmallTable);
  if (inflater_ != nullptr) nghttp2_hd_inflate_change_table_size(inflater_.get(), allowed_);
  retry_ = may_grow_;
}

bool HpackDecoder::Feed(std::string_view fragment, bool last, Handler& handler) {
  if (!in_block_) Begin();
  Earn(fragment.size());
  if (retry_) KeepForRetry(fragment);
  bool good = !failed_ && inflater_ != nullptr && Read(fragment, last, handler);
  if (!good && !failed_ && std::exchange(retry_, false)) {
    if (Fill(kLargeTable)) {
      counters_.Add(Counter::kHpackRetried);
      handler.OnRestart();
      if (cutter_) cutter_.emplace();
      good = Read(block_, last, handler);
    }
  }
  if (!good && !std::exchange(failed_, true)) counters_.Add(Counter::kHpackFailed);
  if (last) {
    in_block_ = false;
    cutter_.reset();
  }
  if (last || failed_) DropBlock(kKeptBlock);
  if (failed_) {
    inflater_.reset();
    lost_ = true;
  }
  return !failed_;
}

void HpackDecoder::KeepForRetry(std::string_view fragment) {
  retry_ = block_.size() + fragment.size() <= kMaxRetry;
  if (!retry_) return DropBlock(kKeptBlock);
  const size_t before = block_.capacity();
  block_.append(fragment);
  budget_.Charge(block_.capacity() - before);
}

void HpackDecoder::DropBlock(size_t kept) {
  block_.clear();
  const size_t before = block_.capacity();
  if (before <= std::max(kept, std::string().capacity())) return;
  std::string().swap(block_);
  budget_.Release(before - block_.capacity());
}

void HpackDecoder::Abort() {
  cutter_.reset();
  if (!std::exchange(in_block_, false)) return;
  DropBlock(kKeptBlock);
  inflater_.reset();
  lost_ = true;
}

bool HpackDecoder::Forget() {
  if (inflater_ == nullptr) return false;
  in_block_ = false;
  cutter_.reset();
  DropBlock(0);
  inflater_.reset();
  lost_ = true;
  return true;
}

}  // namespace podtap
