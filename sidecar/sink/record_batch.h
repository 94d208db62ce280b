// SPDX-License-Identifier: Apache-2.0
// RecordBatch: encoded records on their way into a descriptor, in one buffer that is used again and again. It knows
// where each record ends, so that what a broken connection cut can be written again from its start. One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace podtap {

class RecordBatch {
 public:
  // The caller appends one record to buffer(), then calls EndRecord().
  std::string& buffer() { return buffer_; }
  void EndRecord() { ends_.push_back(buffer_.size()); }

  bool done() const { return finished_ == ends_.size(); }
  // Records that are written, and where in the batch the current one stands.
  size_t finished() const { return finished_; }
  bool inside_record() const { return written_ != RecordStart(); }
  size_t bytes_of_cut_record() const { return written_ - RecordStart(); }

  // What is not written yet.
  std::string_view rest() const { return std::string_view(buffer_).substr(written_); }
  // The rest of the current record only.
  std::string_view rest_of_record() const { return rest().substr(0, done() ? 0 : ends_[finished_] - written_); }
  // The rest up to the end of the last record that fits into `bytes`; empty if not even the current one does.
  std::string_view records_within(size_t bytes) const {
    const auto end = std::upper_bound(ends_.begin() + static_cast<ptrdiff_t>(finished_), ends_.end(),
                                      written_ + std::min(bytes, rest().size()));
    if (end == ends_.begin() + static_cast<ptrdiff_t>(finished_)) return {};
    return rest().substr(0, *(end - 1) - written_);
  }

  // `bytes` of the rest are written. Returns how many records that finished.
  size_t Advance(size_t bytes) {
    written_ += bytes;
    const size_t before = finished_;
    while (finished_ < ends_.size() && ends_[finished_] <= written_) ++finished_;
    return finished_ - before;
  }
  // The current record must be written again from its start.
  void Rewind() { written_ = RecordStart(); }
  // Goes past the current record without writing it.
  void SkipRecord() {
    written_ = ends_[finished_];
    ++finished_;
  }

  // Empties the batch; gives memory back that an unusually large record took.
  void Clear() {
    if (buffer_.capacity() > kKeepBytes) std::string().swap(buffer_);
    buffer_.clear();
    ends_.clear();
    written_ = finished_ = 0;
  }

 private:
  static constexpr size_t kKeepBytes = 1 << 20;
  size_t RecordStart() const { return finished_ == 0 ? 0 : ends_[finished_ - 1]; }

  std::string buffer_;
  std::vector<size_t> ends_;  // rising; one entry a record
  size_t written_ = 0;
  size_t finished_ = 0;
};

}  // namespace podtap
