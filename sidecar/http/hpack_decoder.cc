// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http/hpack_decoder.h"

#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <utility>

namespace podtap {
namespace {

constexpr size_t kSmallestEntry = 32;
constexpr size_t kFrameHeader = 9;
// What an entry costs nghttp2 besides its bytes: the entry, two counted strings, and the allocator's share.
constexpr size_t kEntryCost = 192;
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
  if (nghttp2_hd_inflate_new(&inflater) != 0) inflater = nullptr;
  inflater_.reset(inflater);
  if (inflater != nullptr) nghttp2_hd_inflate_change_table_size(inflater, std::max(allowed_, table));
}

// A fresh inflater whose table holds nothing but placeholders. False if they are not paid for: nothing was done.
bool HpackDecoder::Fill(size_t table) {
  const size_t placeholders = table / kSmallestEntry;
  if (placeholders > credit_) {
    counters_.Add(Counter::kHpackUnpaid);
    return false;
  }
  credit_ -= placeholders;
  made_ += placeholders;
  Make(table);
  if (inflater_ == nullptr) return true;
  std::string block = table == kSmallTable ? std::string() : SizeUpdate(table);
  for (size_t i = 0; i < placeholders; ++i) block += kPlaceholder;
  if (!Inflate(block, true, nullptr)) inflater_.reset();
  placeholders_ = true;
  return true;
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
    if (emitted && handler != nullptr)
      handler->OnField(Text(field.name, field.namelen), Text(field.value, field.valuelen));
    if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) {
      nghttp2_hd_inflate_end_headers(inflater_.get());
      return true;
    }
    if (!emitted && size == 0) return true;
  }
}

void HpackDecoder::Earn(size_t bytes) {
  credit_ = std::min(credit_ + std::min(bytes, kFreePlaceholders), kFreePlaceholders);
}

void HpackDecoder::Begin() {
  in_block_ = true;
  block_.clear();
  failed_ = false;
  Earn(kFrameHeader);
  if (lost_) {
    failed_ = !Fill(kSmallTable);
    if (failed_) return counters_.Add(Counter::kHpackFailed);
    lost_ = false;
  }
  if (inflater_ == nullptr && !placeholders_) Make(kSmallTable);
  if (inflater_ != nullptr) nghttp2_hd_inflate_change_table_size(inflater_.get(), allowed_);
  retry_ = placeholders_;
}

bool HpackDecoder::Feed(std::string_view fragment, bool last, Handler& handler) {
  if (!in_block_) Begin();
  Earn(fragment.size());
  if (retry_) {
    retry_ = block_.size() + fragment.size() <= kMaxRetry;
    if (retry_) block_.append(fragment);
  }
  bool good = !failed_ && inflater_ != nullptr && Inflate(fragment, last, &handler);
  if (!good && !failed_ && std::exchange(retry_, false)) {
    if (Fill(kLargeTable)) {
      counters_.Add(Counter::kHpackRetried);
      handler.OnRestart();
      good = inflater_ != nullptr && Inflate(block_, last, &handler);
    }
  }
  if (!good && !std::exchange(failed_, true)) counters_.Add(Counter::kHpackFailed);
  if (last) {
    in_block_ = false;
    block_.clear();
    if (failed_) {
      Drop();
      lost_ = true;
    } else {
      Charge();
    }
  }
  return !failed_;
}

void HpackDecoder::Abort() {
  if (!std::exchange(in_block_, false)) return;
  block_.clear();
  Drop();
  lost_ = true;
}

bool HpackDecoder::Forget() {
  if (inflater_ == nullptr) return false;
  if (in_block_) Abort();
  Drop();
  lost_ = true;
  return true;
}

void HpackDecoder::Charge() {
  const size_t statics = 61;
  const size_t entries = nghttp2_hd_inflate_get_num_table_entries(inflater_.get()) - statics;
  const size_t now = nghttp2_hd_inflate_get_dynamic_table_size(inflater_.get()) + entries * kEntryCost;
  budget_.Release(charged_);
  budget_.Charge(now);
  charged_ = now;
}

void HpackDecoder::Drop() {
  inflater_.reset();
  budget_.Release(std::exchange(charged_, 0));
}

}  // namespace podtap
