// SPDX-License-Identifier: Apache-2.0
// AdmissionReview, admission.k8s.io/v1: reading the request and writing the answer. The body comes in blocks as they
// were received and is hostile: nesting is bounded by 128, memory by a limit; what the decision never looks at
// (managedFields, status, oldObject, options, userInfo) is skipped while it is parsed and costs no memory. The uid is
// noted as soon as it is seen, so that a body that goes wrong later can still be answered.
#pragma once

#include <boost/json/storage_ptr.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "webhook/json_view.h"

namespace podtap::webhook {

inline constexpr size_t kMaxJsonDepth = 128;

struct ParsedReview {
  explicit ParsedReview(boost::json::storage_ptr memory = {}) : document(std::move(memory)) {}
  enum class Outcome { kOk, kBad, kTooLarge };
  Outcome outcome = Outcome::kBad;
  std::string uid;       // empty: could not be read
  json::value document;  // the whole review; null unless kOk
  std::string error;     // one line, for the log
};

// Parses the blocks, one after the other, as one document in `memory`, which must outlive the result. Never throws.
ParsedReview ParseReview(std::span<const std::string_view> blocks, const boost::json::storage_ptr& memory);

// Finds the uid of a review that is not kept, in pieces as they arrive, in bounded memory; wherever it stands, at any
// depth of nesting up to 1,000.
class UidReader {
 public:
  UidReader();
  ~UidReader();
  UidReader(UidReader&&) noexcept;
  UidReader& operator=(UidReader&&) noexcept;
  // True: nothing more needs to be added, the uid is known or cannot be.
  bool Add(std::string_view piece);
  std::string uid() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};
// The same for what is there at once; empty if it holds no uid.
std::string ReadUid(std::span<const std::string_view> blocks);

// The request inside a parsed review.
struct ReviewRequest {
  std::string_view namespace_name;
  bool is_pod_create = false;
  bool dry_run = false;
  json::value* pod = nullptr;  // request.object, inside the document
};
// Nothing if the document is not an AdmissionReview v1 with a request.
std::optional<ReviewRequest> RequestOf(json::value& document);

struct ReviewAnswer {
  std::string uid;
  std::string patch;  // JSON text, or empty for none
  std::vector<std::string> warnings;
  std::vector<std::pair<std::string, std::string>> audit_annotations;
};
// The body of the answer; always allowed.
std::string WriteAnswer(const ReviewAnswer& answer);

}  // namespace podtap::webhook
