// SPDX-License-Identifier: Apache-2.0
#include "base/yaml_tree.h"

#include <libfyaml.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/utf8.h"

namespace podtap {
namespace {

constexpr size_t kMaxNodes = 1'000'000;
constexpr int kMaxDepth = 64;
constexpr size_t kMaxPrinted = 1000;

struct ParserDeleter {
  void operator()(fy_parser* parser) const { fy_parser_destroy(parser); }
};
struct DiagDeleter {
  void operator()(fy_diag* diag) const { fy_diag_destroy(diag); }
};

std::string TextOf(fy_token* token) {
  size_t size = 0;
  const char* text = token == nullptr ? nullptr : fy_token_get_text(token, &size);
  return text == nullptr ? std::string() : std::string(text, size);
}

// Of what follows.
size_t LineOf(std::string_view before) {
  return 1 + static_cast<size_t>(std::count(before.begin(), before.end(), '\n'));
}

size_t CountNodes(const YamlNode& node) {
  size_t n = 1;
  for (const YamlNode& item : node.items) n += CountNodes(item);
  for (const auto& [key, value] : node.members) n += CountNodes(key) + CountNodes(value);
  return n;
}

// Reads one text's events. `before` is what stands before it in the whole, for positions.
class Reader {
 public:
  Reader(std::string_view text, std::string_view before)
      : text_(text), offset_(before.size()), lines_before_(LineOf(before) - 1) {
    fy_diag_cfg diag_config;
    fy_diag_cfg_default(&diag_config);
    diag_config.show_type = diag_config.show_source = diag_config.show_position = false;
    diag_config.fp = nullptr;
    diag_config.output_fn = &Printed;
    diag_config.user = this;
    diag_.reset(fy_diag_create(&diag_config));
    fy_diag_set_collect_errors(diag_.get(), true);
    fy_parse_cfg config{};
    constexpr unsigned kFlags = FYPCF_QUIET | FYPCF_DISABLE_RECYCLING | FYPCF_SLOPPY_FLOW_INDENTATION;
    // A C enum that is a set of bits. NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange)
    config.flags = static_cast<fy_parse_cfg_flags>(kFlags);
    config.diag = diag_.get();
    parser_.reset(fy_parser_create(&config));
    fy_parser_set_string(parser_.get(), text.data(), text.size());
  }
  ~Reader() { Release(); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  Status ReadAll(std::vector<YamlNode>& documents) {
    while (Next()) {
      if (event_->type == FYET_STREAM_END) return {};
      if (event_->type == FYET_DOCUMENT_START) {
        anchors_.clear();
        continue;
      }
      if (event_->type == FYET_STREAM_START || event_->type == FYET_DOCUMENT_END) continue;
      YamlNode root;
      if (!ReadNode(root, 0)) break;
      if (root.kind != YamlNode::Kind::kScalar || !root.text.empty()) documents.push_back(std::move(root));
    }
    return Failure();
  }

 private:
  void Release() {
    if (event_ != nullptr) fy_parser_event_free(parser_.get(), event_);
    event_ = nullptr;
  }
  bool Next() {
    Release();
    event_ = parser_ == nullptr ? nullptr : fy_parser_parse(parser_.get());
    return event_ != nullptr;
  }

  std::unexpected<Error> Failure() {
    void* at = nullptr;
    if (const fy_diag_error* error = limit_.empty() ? fy_diag_errors_iterate(diag_.get(), &at) : nullptr)
      return UsageError("line " + std::to_string(lines_before_ + static_cast<size_t>(error->line)) + ", column " +
                        std::to_string(error->column) + ": " + error->msg);
    std::string why = limit_.empty() ? printed_.substr(0, printed_.find('\n')) : limit_;
    if (why.empty()) why = "not YAML or JSON";
    const size_t line = lines_before_ + LineOf(text_.substr(0, last_end_ - std::min(last_end_, offset_)));
    return UsageError("line " + std::to_string(line) + ": " + why);
  }
  // What libfyaml does not collect with its place it prints; on the standard error stream, if it is let.
  static void Printed(fy_diag*, void* user, const char* text, size_t size) {
    std::string& printed = static_cast<Reader*>(user)->printed_;
    if (printed.size() < kMaxPrinted) printed.append(text, size);
  }
  bool Refuse(std::string why) {
    limit_ = std::move(why);
    return false;
  }

  // The node that the present event begins.
  bool ReadNode(YamlNode& node, int depth) {
    if (depth > kMaxDepth) return Refuse("nested deeper than " + std::to_string(kMaxDepth));
    if (++nodes_ > kMaxNodes) return Refuse("more than " + std::to_string(kMaxNodes) + " values");
    const std::string anchor = TextOf(fy_event_get_anchor_token(event_));
    node.tag = TextOf(fy_event_get_tag_token(event_));
    bool read = false;
    switch (event_->type) {
      case FYET_SCALAR:
        ReadScalar(node);
        read = true;
        break;
      case FYET_ALIAS:
        return ReadAlias(node);
      case FYET_MAPPING_START:
        node.kind = YamlNode::Kind::kMapping;
        read = ReadCollection(node, depth, FYET_MAPPING_END);
        break;
      case FYET_SEQUENCE_START:
        node.kind = YamlNode::Kind::kSequence;
        read = ReadCollection(node, depth, FYET_SEQUENCE_END);
        break;
      default:
        return Refuse("unexpected structure");
    }
    return read && (anchor.empty() || Keep(anchor, node));
  }

  // A copy for the aliases that will name it. It counts: anchors within anchors would multiply what is held.
  bool Keep(const std::string& anchor, const YamlNode& node) {
    if (!Count(node)) return false;
    anchors_[anchor] = node;
    return true;
  }
  bool Count(const YamlNode& node) {
    nodes_ += CountNodes(node);
    return nodes_ <= kMaxNodes || Refuse("more than " + std::to_string(kMaxNodes) + " values");
  }

  void ReadScalar(YamlNode& node) {
    node.text = TextOf(event_->scalar.value);
    const fy_mark* begin = fy_event_start_mark(event_);
    const fy_mark* end = fy_event_end_mark(event_);
    node.plain = true;
    if (begin == nullptr || end == nullptr) {
      node.absent = true;
      node.begin = node.end = last_end_;
      return;
    }
    node.begin = offset_ + begin->input_pos;
    node.end = offset_ + end->input_pos;
    const fy_node_style style = fy_event_get_node_style(event_);
    node.plain = style == FYNS_PLAIN;
    node.absent = node.plain && node.begin == node.end;
    node.block_scalar = style == FYNS_LITERAL || style == FYNS_FOLDED;
    if (style == FYNS_SINGLE_QUOTED || style == FYNS_DOUBLE_QUOTED) --node.begin, ++node.end;
    last_end_ = node.end;
  }

  bool ReadAlias(YamlNode& node) {
    const auto named = anchors_.find(TextOf(event_->alias.anchor));
    if (named == anchors_.end()) return Refuse("an alias names no anchor");
    if (!Count(named->second)) return false;
    node = named->second;
    node.alias = true;
    const fy_mark* begin = fy_event_start_mark(event_);
    const fy_mark* end = fy_event_end_mark(event_);
    if (begin != nullptr && end != nullptr) {
      node.begin = offset_ + begin->input_pos - 1;
      node.end = last_end_ = offset_ + end->input_pos;
    }
    return true;
  }

  bool ReadCollection(YamlNode& node, int depth, fy_event_type end_type) {
    node.flow = fy_event_get_node_style(event_) == FYNS_FLOW;
    if (const fy_mark* begin = fy_event_start_mark(event_)) node.begin = offset_ + begin->input_pos;
    while (Next() && event_->type != end_type) {
      if (node.kind == YamlNode::Kind::kSequence) {
        if (!ReadNode(node.items.emplace_back(), depth + 1)) return false;
        continue;
      }
      auto& [key, value] = node.members.emplace_back();
      if (!ReadNode(key, depth + 1) || !Next() || !ReadNode(value, depth + 1)) return false;
    }
    if (event_ == nullptr) return false;
    const fy_mark* end = fy_event_end_mark(event_);
    // A block collection ends with its last value: the next token's place, which libfyaml says, lies behind comments.
    if (node.flow && end != nullptr) last_end_ = offset_ + end->input_pos;
    node.end = last_end_;
    return true;
  }

  std::string_view text_;
  size_t offset_;
  size_t lines_before_;
  std::unique_ptr<fy_diag, DiagDeleter> diag_;
  std::unique_ptr<fy_parser, ParserDeleter> parser_;
  fy_event* event_ = nullptr;
  std::map<std::string, YamlNode> anchors_;
  size_t nodes_ = 0;
  size_t last_end_ = 0;
  std::string limit_;
  std::string printed_;
};

std::unexpected<Error> NotUtf8(std::string_view text, size_t at) {
  const std::string_view before = text.substr(0, at);
  const size_t column = at - (before.rfind('\n') + 1) + 1;  // npos + 1 is 0
  return UsageError("line " + std::to_string(LineOf(before)) + ", column " + std::to_string(column) +
                    ": not UTF-8; save the file as UTF-8 text");
}

// Where the JSON value that begins the text ends, if it is one and only the next follows; else the text's size.
size_t EndOfJsonValue(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if ((c == '}' || c == ']') && --depth == 0) {
      const size_t next = text.find_first_not_of(" \t\r\n", i + 1);
      return next != std::string_view::npos && text[next] == '{' ? i + 1 : text.size();
    }
  }
  return text.size();
}

}  // namespace

const YamlNode* YamlNode::Find(std::string_view key) const {
  for (const auto& [name, value] : members)
    if (name.kind == Kind::kScalar && name.text == key) return &value;
  return nullptr;
}

Result<std::vector<YamlNode>> ParseYaml(std::string_view text) {
  // Invalid bytes make libfyaml search for the end of a directive's line for ever.
  if (const size_t valid = Utf8Prefix(text); valid != text.size()) return NotUtf8(text, valid);
  std::vector<YamlNode> documents;
  size_t at = 0;
  while (at < text.size()) {
    const std::string_view rest = text.substr(at);
    const size_t first = rest.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) break;
    const size_t size = rest[first] == '{' ? first + EndOfJsonValue(rest.substr(first)) : rest.size();
    Reader reader(rest.substr(0, size), text.substr(0, at));
    if (Status ok = reader.ReadAll(documents); !ok) return std::unexpected(ok.error());
    at += size;
  }
  return documents;
}

}  // namespace podtap
