// SPDX-License-Identifier: Apache-2.0
#include "webhook/yaml_edit.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <numeric>
#include <optional>
#include <tuple>

namespace podtap::webhook {
namespace {

constexpr size_t kNowhere = std::string_view::npos;

bool IsFilled(const json::value& value) {
  return (value.is_object() && !value.get_object().empty()) || (value.is_array() && !value.get_array().empty());
}

bool IsMergeKey(const YamlNode& key) { return key.plain && key.text == "<<"; }

// The last value that a node ends with; the key, where nothing is written behind it.
const YamlNode& LastLeaf(const YamlNode& node) {
  const YamlNode* at = &node;
  while (!at->flow && !at->alias && !at->empty()) {
    if (!at->items.empty()) {
      at = &at->items.back();
    } else {
      const auto& [key, value] = at->members.back();
      at = value.absent ? &key : &value;
    }
  }
  return *at;
}

// Which wanted item each old one becomes: by place if there are as many, else by name or equality, in order.
std::vector<std::optional<size_t>> Align(const YamlNode& node, const json::array& wanted) {
  std::vector<std::optional<size_t>> matches(node.items.size());
  size_t next = 0;
  for (size_t i = 0; i < node.items.size(); ++i) {
    if (node.items.size() == wanted.size()) {
      matches[i] = i;
      continue;
    }
    const json::value old = ToJson(node.items[i]);
    const std::string_view name = TextMember(old.if_object(), "name");
    for (size_t k = next; k < wanted.size(); ++k)
      if (old == wanted[k] || (!name.empty() && TextMember(wanted[k].if_object(), "name") == name)) {
        matches[i] = k;
        next = k + 1;
        break;
      }
  }
  return matches;
}

void FindStyle(std::string_view text, const YamlNode& node, std::optional<size_t>& step,
               std::optional<size_t>& sequence_step) {
  const auto column = [&](size_t at) {
    const size_t line = text.rfind('\n', at == 0 ? 0 : at - 1);
    return line == kNowhere || at == 0 ? at : at - line - 1;
  };
  for (const auto& [key, value] : node.members) {
    if (value.alias || value.flow || value.empty()) continue;
    if (!value.members.empty() && !step) step = column(value.members[0].key.begin) - column(key.begin);
    if (!value.items.empty() && !sequence_step && value.items[0].begin > 0) {
      const size_t dash = text.rfind('-', value.items[0].begin - 1);
      if (dash != kNowhere && column(dash) >= column(key.begin)) sequence_step = column(dash) - column(key.begin);
    }
    FindStyle(text, value, step, sequence_step);
  }
  for (const YamlNode& item : node.items) FindStyle(text, item, step, sequence_step);
}

std::string ApplyEdits(std::string_view text, const std::vector<TextEdit>& edits) {
  // What is inserted at one place stays in the order in which it was found.
  std::vector<size_t> order(edits.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::tie(edits[a].begin, edits[a].end, a) < std::tie(edits[b].begin, edits[b].end, b);
  });
  std::string out;
  size_t at = 0;
  for (const size_t i : order) {
    const TextEdit& edit = edits[i];
    if (edit.begin < at) return {};  // they overlap; the caller sees that the result is not what it wants
    out.append(text, at, edit.begin - at).append(edit.text);
    at = edit.end;
  }
  out.append(text, at);
  return out;
}

bool Becomes(std::string_view text, const std::vector<json::value>& wanted) {
  const auto documents = ParseYaml(text);
  if (!documents || documents->size() != wanted.size()) return false;
  for (size_t i = 0; i < wanted.size(); ++i)
    if (ToJson((*documents)[i]) != wanted[i]) return false;
  return true;
}

// The whole document anew.
TextEdit Rewrite(std::string_view text, const YamlNode& root, const json::value& wanted) {
  const size_t line = text.rfind('\n', root.begin);
  const size_t begin = root.flow || line == kNowhere ? root.begin : line + 1;
  const size_t end = text.find('\n', root.end);
  return {begin, end == kNowhere ? text.size() : end + 1, WriteDocument(wanted, root.flow, StyleOf(text, root))};
}

// What all documents mean when only document `changed` becomes `wanted`.
std::vector<json::value> WithOne(const std::vector<YamlNode>& documents, size_t changed, const json::value& wanted) {
  std::vector<json::value> values;
  for (size_t i = 0; i < documents.size(); ++i) values.push_back(i == changed ? wanted : ToJson(documents[i]));
  return values;
}

}  // namespace

TextStyle StyleOf(std::string_view text, const YamlNode& root) {
  TextStyle style;
  std::optional<size_t> step, sequence_step;
  FindStyle(text, root, step, sequence_step);
  if (step && *step >= 1 && *step <= 8) style.step = *step;
  if (sequence_step && *sequence_step <= 8) style.sequence_step = *sequence_step;
  if (root.flow && !root.members.empty()) {
    const size_t first = root.members[0].key.begin;
    const size_t line = text.rfind('\n', first);
    if (line != kNowhere && line >= root.begin && first - line - 1 <= 8)
      style.json_step = text.substr(line + 1, first - line - 1);
  }
  return style;
}

size_t DocumentDiff::LineStart(size_t at) const {
  const size_t line = at == 0 ? kNowhere : text_.rfind('\n', at - 1);
  return line == kNowhere ? 0 : line + 1;
}

size_t DocumentDiff::NextLine(size_t at) const {
  const size_t line = text_.find('\n', at);
  return line == kNowhere ? text_.size() : line + 1;
}

bool DocumentDiff::BeginsItsLine(size_t at) const {
  return text_.substr(LineStart(at), Column(at)).find_first_not_of(" \t") == kNowhere;
}

std::string DocumentDiff::IndentText(size_t at) const {
  const size_t start = LineStart(at);
  const size_t end = std::min(text_.find_first_not_of(" \t", start), at);
  return std::string(text_.substr(start, end - start));
}

size_t DocumentDiff::LineAfter(const YamlNode& node) const {
  const YamlNode& leaf = LastLeaf(node);
  if (!leaf.block_scalar) return NextLine(leaf.end);
  // Of a block scalar the content is known, up to the next token: blank lines belong to it only under a '+'.
  const size_t header = LineStart(leaf.begin == 0 ? 0 : leaf.begin - 1);
  const std::string_view header_line = text_.substr(header, leaf.begin - header);
  size_t end = LineStart(leaf.end);
  if (header_line.find('+', std::min(header_line.find_last_of("|>"), header_line.size())) != kNowhere) return end;
  while (end > leaf.begin) {
    const size_t previous = LineStart(end - 1);
    if (text_.substr(previous, end - previous).find_first_not_of(" \t\r\n") != kNowhere) break;
    end = previous;
  }
  return end;
}

size_t DocumentDiff::DashOf(const YamlNode& item) const {
  size_t at = item.begin;
  while (at > 0 && (text_[at - 1] == ' ' || text_[at - 1] == '\n' || text_[at - 1] == '\r')) --at;
  return at > 0 && text_[at - 1] == '-' && BeginsItsLine(at - 1) ? at - 1 : kNowhere;
}

bool DocumentDiff::Compare(const YamlNode& root, const json::value& wanted) {
  CompareNode(root, {}, wanted);
  return possible_;
}

void DocumentDiff::CompareNode(const YamlNode& node, Place place, const json::value& wanted) {
  if (!possible_ || ToJson(node) == wanted) return;
  // What an alias names is written out, changed, in the alias's place.
  if (!node.alias && !node.members.empty() && wanted.is_object())
    CompareMapping(node, wanted.get_object());
  else if (!node.alias && !node.items.empty() && wanted.is_array())
    CompareSequence(node, place, wanted.get_array());
  else
    ReplaceValue(node, place, wanted);
}

void DocumentDiff::CompareMapping(const YamlNode& node, const json::object& wanted) {
  const json::value old = ToJson(node);
  std::vector<bool> removed(node.members.size());
  for (size_t i = 0; i < node.members.size(); ++i) {
    const auto& [key, value] = node.members[i];
    if (IsMergeKey(key)) continue;
    if (const json::value* becomes = wanted.if_contains(key.text))
      CompareNode(value, {&key, node.flow}, *becomes);
    else
      removed[i] = true;
  }
  RemoveMembers(node, removed);
  for (const auto& member : wanted) {
    const std::string_view key = member.key();
    const json::value* present = old.get_object().if_contains(key);
    if (node.Find(key) != nullptr || (present != nullptr && *present == member.value())) continue;
    if (node.flow) {
      const auto& [last_key, last_value] = node.members.back();
      AppendFlow(last_key.begin, std::max(last_key.end, last_value.end), json::serialize(json::value(key)) + ": ",
                 member.value());
    } else {
      std::string text;
      WriteBlockMember(key, member.value(), Column(node.members[0].key.begin), style_, text);
      Insert(LineAfter(node), std::move(text));
    }
  }
}

void DocumentDiff::RemoveMembers(const YamlNode& node, const std::vector<bool>& removed) {
  if (std::find(removed.begin(), removed.end(), true) == removed.end()) return;
  if (node.flow) {
    std::vector<std::pair<size_t, size_t>> elements;
    for (const auto& [key, value] : node.members) elements.emplace_back(key.begin, std::max(key.end, value.end));
    RemoveFlow(elements, removed);
    return;
  }
  for (size_t i = 0; i < removed.size(); ++i) {
    if (!removed[i]) continue;
    const auto& [key, value] = node.members[i];
    if (BeginsItsLine(key.begin))
      RemoveLines(LineStart(key.begin), value.absent ? key : value);
    else
      possible_ = false;
  }
}

void DocumentDiff::CompareSequence(const YamlNode& node, Place place, const json::array& wanted) {
  const auto matches = Align(node, wanted);
  std::vector<bool> removed(node.items.size());
  size_t next = 0;
  for (size_t i = 0; i < matches.size(); ++i) {
    removed[i] = !matches[i];
    if (!matches[i]) continue;
    for (; next < *matches[i]; ++next) InsertItem(node, place, i, wanted[next]);
    CompareNode(node.items[i], {nullptr, node.flow}, wanted[next++]);
  }
  RemoveItems(node, removed);
  for (; next < wanted.size(); ++next) InsertItem(node, place, node.items.size(), wanted[next]);
}

void DocumentDiff::InsertItem(const YamlNode& node, Place place, size_t before, const json::value& value) {
  if (node.flow) {
    if (before == node.items.size()) return AppendFlow(node.items.back().begin, node.items.back().end, "", value);
    const size_t at = node.items[before].begin;
    std::string text;
    if (BeginsItsLine(at)) {
      WriteJson(value, IndentText(at), style_, text);
      text.append(",\n").append(IndentText(at));
    } else {
      text = json::serialize(value) + ", ";
    }
    return Insert(at, std::move(text));
  }
  const size_t dash = DashOf(node.items[std::min(before, node.items.size() - 1)]);
  if (dash == kNowhere) {
    possible_ = false;
    return;
  }
  std::string text;
  WriteBlockItem(value, Column(dash), style_, text);
  // At the front it goes right below the key, so that comments above the first item stay with it.
  const size_t at = before == node.items.size()             ? LineAfter(node)
                    : before == 0 && place.owner != nullptr ? NextLine(place.owner->end)
                                                            : LineStart(dash);
  Insert(at, std::move(text));
}

void DocumentDiff::RemoveItems(const YamlNode& node, const std::vector<bool>& removed) {
  if (std::find(removed.begin(), removed.end(), true) == removed.end()) return;
  if (node.flow) {
    std::vector<std::pair<size_t, size_t>> elements;
    for (const YamlNode& item : node.items) elements.emplace_back(item.begin, item.end);
    RemoveFlow(elements, removed);
    return;
  }
  for (size_t i = 0; i < removed.size(); ++i) {
    if (!removed[i]) continue;
    const size_t dash = DashOf(node.items[i]);
    if (dash != kNowhere)
      RemoveLines(LineStart(dash), node.items[i]);
    else
      possible_ = false;
  }
}

void DocumentDiff::RemoveLines(size_t begin, const YamlNode& last) { edits_.push_back({begin, LineAfter(last), {}}); }

// Each run of removed elements goes with the separators on one side.
void DocumentDiff::RemoveFlow(const std::vector<std::pair<size_t, size_t>>& elements,
                              const std::vector<bool>& removed) {
  for (size_t i = 0; i < removed.size(); ++i) {
    if (!removed[i]) continue;
    size_t last = i;
    while (last + 1 < removed.size() && removed[last + 1]) ++last;
    if (last + 1 < elements.size())
      edits_.push_back({elements[i].first, elements[last + 1].first, {}});
    else
      edits_.push_back({i > 0 ? elements[i - 1].second : elements[i].first, elements[last].second, {}});
    i = last;
  }
}

void DocumentDiff::AppendFlow(size_t begin, size_t end, const std::string& key, const json::value& value) {
  std::string text;
  if (BeginsItsLine(begin)) {
    text.append(",\n").append(IndentText(begin)).append(key);
    WriteJson(value, IndentText(begin), style_, text);
  } else {
    text.append(", ").append(key).append(json::serialize(value));
  }
  Insert(end, std::move(text));
}

void DocumentDiff::ReplaceValue(const YamlNode& node, Place place, const json::value& wanted) {
  if ((node.block_scalar && !node.alias) || !node.tag.empty()) {
    possible_ = false;
  } else if (!place.in_flow && place.owner != nullptr && IsFilled(wanted)) {
    ReplaceByBlock(node, *place.owner, wanted);
  } else if (node.absent && place.owner != nullptr) {
    const size_t colon = text_.find(':', place.owner->end);
    if (colon == kNowhere)
      possible_ = false;
    else
      Insert(colon + 1, " " + json::serialize(wanted));
  } else {
    std::string text;
    WriteJson(wanted, IndentText(node.begin), style_, text);
    edits_.push_back({node.begin, node.end, std::move(text)});
  }
}

void DocumentDiff::ReplaceByBlock(const YamlNode& node, const YamlNode& owner, const json::value& wanted) {
  const size_t colon = text_.find(':', owner.end);
  if (colon == kNowhere || (!node.absent && node.begin < colon)) {
    possible_ = false;
    return;
  }
  if (!node.absent) edits_.push_back({colon + 1, node.end, {}});
  std::string text;
  WriteBlockBelow(wanted, Column(owner.begin), style_, text);
  Insert(NextLine(node.absent ? colon : node.end), std::move(text));
}

EditedText EditDocuments(std::string_view original, const std::vector<YamlNode>& documents,
                         const std::vector<json::value>& wanted) {
  EditedText result;
  const bool ends_line = original.ends_with('\n');
  const bool carriage_returns = original.find("\r\n") != kNowhere;
  std::string text(original);
  if (!ends_line) text += '\n';

  std::vector<std::vector<TextEdit>> edits(documents.size());
  std::vector<bool> in_place(documents.size());
  std::vector<TextEdit> all;
  for (size_t i = 0; i < documents.size(); ++i) {
    DocumentDiff diff(text, documents[i]);
    in_place[i] = diff.Compare(documents[i], wanted[i]);
    edits[i] = in_place[i] ? diff.edits() : std::vector<TextEdit>{Rewrite(text, documents[i], wanted[i])};
    all.insert(all.end(), edits[i].begin(), edits[i].end());
  }
  if (!Becomes(ApplyEdits(text, all), wanted)) {
    // Each alone, to see which document its edits go wrong in.
    all.clear();
    for (size_t i = 0; i < documents.size(); ++i) {
      if (in_place[i] && !edits[i].empty() && !Becomes(ApplyEdits(text, edits[i]), WithOne(documents, i, wanted[i]))) {
        in_place[i] = false;
        edits[i] = {Rewrite(text, documents[i], wanted[i])};
      }
      all.insert(all.end(), edits[i].begin(), edits[i].end());
    }
  }
  for (size_t i = 0; i < documents.size(); ++i)
    if (!in_place[i]) result.rewritten.push_back(i);
  if (carriage_returns)
    for (TextEdit& edit : all)
      for (size_t at = 0; (at = edit.text.find('\n', at)) != kNowhere; at += 2) edit.text.insert(at, "\r");
  text = ApplyEdits(text, all);
  if (!Becomes(text, wanted)) {
    // Nothing fits: every document anew.
    text.clear();
    result.rewritten.clear();
    for (size_t i = 0; i < wanted.size(); ++i) {
      if (i > 0) text += "---\n";
      text += WriteDocument(wanted[i], documents[i].flow, {});
      result.rewritten.push_back(i);
    }
  }
  if (!ends_line && text.ends_with('\n')) text.pop_back();
  if (!ends_line && text.ends_with('\r')) text.pop_back();
  result.text = std::move(text);
  return result;
}

}  // namespace podtap::webhook
