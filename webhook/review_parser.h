// SPDX-License-Identifier: Apache-2.0
// ReviewHandler: what boost::json::basic_parser tells about a review, turned into a document without the parts that
// nobody reads. It knows where in the review it is by depth and key, and hands everything else to
// boost::json::value_stack.
#pragma once

#include <array>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/value_stack.hpp>
#include <string>
#include <string_view>

namespace podtap::webhook {

class ReviewHandler {
 public:
  // What boost::json::basic_parser asks of a handler.
  static constexpr size_t max_object_size = static_cast<size_t>(-1);
  static constexpr size_t max_array_size = static_cast<size_t>(-1);
  static constexpr size_t max_key_size = static_cast<size_t>(-1);
  static constexpr size_t max_string_size = static_cast<size_t>(-1);

  using error_code = boost::json::error_code;
  using text = boost::json::string_view;

  // `build` = false only looks for the uid.
  ReviewHandler(const boost::json::storage_ptr& memory, bool build) : stack_(memory), build_(build) {
    stack_.reset(memory);
  }

  // Empty until the whole uid has been seen.
  std::string uid() const { return uid_known_ ? uid_ : std::string(); }
  boost::json::value Release() { return stack_.release(); }

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }
  bool on_object_begin(error_code&) { return Enter(true); }
  bool on_array_begin(error_code&) { return Enter(false); }
  bool on_object_end(size_t n, error_code&) { return Leave(true, n); }
  bool on_array_end(size_t n, error_code&) { return Leave(false, n); }

  bool on_key_part(text part, size_t, error_code&) {
    key_.append(part.data(), part.size());
    return true;
  }
  bool on_key(text part, size_t, error_code&) {
    key_.append(part.data(), part.size());
    const Place place = depth_ >= 1 && depth_ < places_.size() ? places_[depth_] : kElsewhere;
    key_is_uid_ = place == kRequest && key_ == "uid";
    next_ = PlaceOf(place, key_);
    if (Keeps()) stack_.push_key(key_);
    if (skipped_depth_ == 0 && IsSkipped(place, key_)) {
      skip_next_ = true;
      if (build_) stack_.push_null();
    }
    key_.clear();
    return true;
  }

  bool on_string_part(text part, size_t, error_code&) {
    if (key_is_uid_ && !uid_known_) uid_.append(part.data(), part.size());
    if (Keeps()) stack_.push_chars(part);
    return true;
  }
  bool on_string(text part, size_t, error_code&) {
    if (key_is_uid_ && !uid_known_) {
      uid_.append(part.data(), part.size());
      uid_known_ = true;
    }
    if (Keeps()) stack_.push_string(part);
    return Scalar();
  }
  bool on_number_part(text, error_code&) { return true; }
  bool on_int64(int64_t value, text, error_code&) {
    if (Keeps()) stack_.push_int64(value);
    return Scalar();
  }
  bool on_uint64(uint64_t value, text, error_code&) {
    if (Keeps()) stack_.push_uint64(value);
    return Scalar();
  }
  bool on_double(double value, text, error_code&) {
    if (Keeps()) stack_.push_double(value);
    return Scalar();
  }
  bool on_bool(bool value, error_code&) {
    if (Keeps()) stack_.push_bool(value);
    return Scalar();
  }
  bool on_null(error_code&) {
    if (Keeps()) stack_.push_null();
    return Scalar();
  }
  bool on_comment_part(text, error_code&) { return true; }
  bool on_comment(text, error_code&) { return true; }

 private:
  enum Place : uint8_t { kElsewhere, kRoot, kRequest, kObject, kMetadata };

  static Place PlaceOf(Place parent, std::string_view key) {
    if (parent == kRoot && key == "request") return kRequest;
    if (parent == kRequest && key == "object") return kObject;
    if (parent == kObject && key == "metadata") return kMetadata;
    return kElsewhere;
  }
  static bool IsSkipped(Place place, std::string_view key) {
    if (place == kRequest) return key == "oldObject" || key == "options" || key == "userInfo";
    if (place == kObject) return key == "status";
    return place == kMetadata && key == "managedFields";
  }

  // Whether what comes now goes into the document.
  bool Keeps() const { return build_ && !skip_next_ && skipped_depth_ == 0; }

  bool Scalar() {
    key_is_uid_ = false;
    skip_next_ = false;
    return true;
  }
  bool Enter(bool object) {
    key_is_uid_ = false;
    if (skip_next_ || skipped_depth_ > 0) ++skipped_depth_;
    skip_next_ = false;
    ++depth_;
    const Place place = !object ? kElsewhere : depth_ == 1 ? kRoot : next_;
    if (depth_ < places_.size()) places_[depth_] = place;
    next_ = kElsewhere;
    return true;
  }
  bool Leave(bool object, size_t members) {
    --depth_;
    if (skipped_depth_ > 0) {
      --skipped_depth_;
      return true;
    }
    if (!build_) return true;
    if (object)
      stack_.push_object(members);
    else
      stack_.push_array(members);
    return true;
  }

  boost::json::value_stack stack_;
  const bool build_;
  std::string key_;                // of the member that is being read
  std::array<Place, 6> places_{};  // what each open container is, by depth from 1
  Place next_ = kElsewhere;        // what the value of the last key is, if it is an object
  size_t depth_ = 0;
  size_t skipped_depth_ = 0;  // open containers inside a skipped member
  bool skip_next_ = false;    // the value of the last key is skipped
  bool key_is_uid_ = false;
  bool uid_known_ = false;
  std::string uid_;
};

}  // namespace podtap::webhook
