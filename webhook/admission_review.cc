// SPDX-License-Identifier: Apache-2.0
#include "webhook/admission_review.h"

#include <boost/json/serialize.hpp>
#include <new>

#include "webhook/base64.h"
#include "webhook/review_parser.h"

namespace podtap::webhook {
namespace {

using Parser = boost::json::basic_parser<ReviewHandler>;

boost::json::parse_options Options(size_t depth = kMaxJsonDepth) {
  boost::json::parse_options options;
  options.max_depth = depth;
  return options;
}

bool IsSpace(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

// Feeds all blocks; the error says why the document is not one.
boost::json::error_code Feed(Parser& parser, std::span<const std::string_view> blocks) {
  boost::json::error_code error;
  for (const std::string_view block : blocks) {
    size_t used = 0;
    if (!parser.done()) used = parser.write_some(true, block.data(), block.size(), error);
    if (error) return error;
    if (parser.done() && !IsSpace(block.substr(used))) return boost::json::error::extra_data;
  }
  if (!parser.done()) parser.write_some(false, nullptr, 0, error);
  return error;
}

}  // namespace

ParsedReview ParseReview(std::span<const std::string_view> blocks, const boost::json::storage_ptr& memory) {
  // A value assigned into other memory would be copied.
  ParsedReview review(memory);
  Parser parser(Options(), memory, true);
  try {
    if (const auto error = Feed(parser, blocks); error) {
      review.error = error.message();
    } else {
      review.document = parser.handler().Release();
      review.outcome = ParsedReview::Outcome::kOk;
    }
  } catch (const std::bad_alloc&) {
    review.outcome = ParsedReview::Outcome::kTooLarge;
    review.error = "the document needs more memory than one review may use";
  } catch (const std::exception& error) {
    review.error = error.what();
  }
  review.uid = parser.handler().uid();
  // It may stand behind what could not be read.
  if (review.uid.empty()) review.uid = ReadUid(blocks);
  return review;
}

class UidReader::Impl {
 public:
  bool Add(std::string_view piece) {
    if (ended_) return true;
    boost::json::error_code error;
    try {
      parser_.write_some(true, piece.data(), piece.size(), error);
    } catch (const std::exception&) {
      ended_ = true;
    }
    ended_ = ended_ || error || parser_.done() || !parser_.handler().uid().empty();
    return ended_;
  }
  std::string uid() const { return parser_.handler().uid(); }

 private:
  static constexpr size_t kDepth = 1000;
  Parser parser_{Options(kDepth), boost::json::storage_ptr(), false};
  bool ended_ = false;
};

UidReader::UidReader() : impl_(std::make_unique<Impl>()) {}
UidReader::~UidReader() = default;
UidReader::UidReader(UidReader&&) noexcept = default;
UidReader& UidReader::operator=(UidReader&&) noexcept = default;
bool UidReader::Add(std::string_view piece) { return impl_->Add(piece); }
std::string UidReader::uid() const { return impl_->uid(); }

std::string ReadUid(std::span<const std::string_view> blocks) {
  UidReader reader;
  for (const std::string_view block : blocks)
    if (reader.Add(block)) break;
  return reader.uid();
}

std::optional<ReviewRequest> RequestOf(json::value& document) {
  json::object* review = document.if_object();
  if (TextMember(review, "kind") != "AdmissionReview" || TextMember(review, "apiVersion") != "admission.k8s.io/v1")
    return std::nullopt;
  json::value* request_value = review->if_contains("request");
  json::object* request = request_value == nullptr ? nullptr : request_value->if_object();
  if (request == nullptr) return std::nullopt;

  ReviewRequest out;
  out.pod = request->if_contains("object");
  const json::object* kind = ObjectMember(request, "kind");
  const json::object* resource = ObjectMember(request, "resource");
  out.is_pod_create = TextMember(request, "operation") == "CREATE" && TextMember(request, "subResource").empty() &&
                      TextMember(kind, "kind") == "Pod" && TextMember(kind, "group").empty() &&
                      (resource == nullptr || TextMember(resource, "resource") == "pods") && out.pod != nullptr &&
                      out.pod->is_object();
  const json::value* dry_run = Member(request, "dryRun");
  out.dry_run = dry_run != nullptr && dry_run->is_bool() && dry_run->get_bool();
  out.namespace_name = TextMember(request, "namespace");
  if (out.namespace_name.empty() && out.pod != nullptr)
    out.namespace_name = TextMember(ObjectMember(out.pod->if_object(), "metadata"), "namespace");
  return out;
}

std::string WriteAnswer(const ReviewAnswer& answer) {
  const auto quoted = [](std::string_view text) { return json::serialize(json::string(text)); };
  std::string text = R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":)";
  text.reserve(answer.patch.size() * 4 / 3 + 1024);
  text.append(quoted(answer.uid)).append(R"(,"allowed":true)");
  if (!answer.patch.empty())
    text.append(R"(,"patchType":"JSONPatch","patch":")").append(Base64(answer.patch)).append("\"");
  if (!answer.audit_annotations.empty()) {
    text.append(R"(,"auditAnnotations":)");
    char separator = '{';
    for (const auto& [key, value] : answer.audit_annotations) {
      text.append(1, separator).append(quoted(key)).append(":").append(quoted(value));
      separator = ',';
    }
    text += '}';
  }
  if (!answer.warnings.empty()) {
    text.append(R"(,"warnings":)");
    char separator = '[';
    for (const std::string& warning : answer.warnings) {
      text.append(1, separator).append(quoted(warning));
      separator = ',';
    }
    text += ']';
  }
  return text.append("}}");
}

}  // namespace podtap::webhook
