// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/redact_pairs.h"

#include <algorithm>
#include <utility>

#include "base/percent.h"
#include "sidecar/policy/look.h"
#include "sidecar/policy/redact_json.h"

namespace podtap {

namespace {

// URLs in parameters of URLs, and so on.
constexpr int kMaxUrls = 4;

// What some programs separate pairs by, and others let stand in values.
constexpr std::string_view kWeakSeparators = ";\r\n";

// Where in a pair (between two '&') the value of a named parameter begins; npos: nowhere. A value ends at the '&',
// since nobody knows what the application takes a weak separator for.
size_t SecretIn(const Names& names, std::string_view pair) {
  for (size_t begin = 0; begin < pair.size();) {
    const size_t end = std::min(pair.find_first_of(kWeakSeparators, begin), pair.size());
    const size_t equals = pair.substr(0, end).find('=', begin);
    if (equals != std::string_view::npos && names.HasPart(FormDecode(pair.substr(begin, equals - begin))))
      return equals + 1;
    begin = end + 1;
  }
  return std::string_view::npos;
}

// Calls `with` for each pair and appends what it appends.
template <typename With>
std::string ForEachPair(std::string_view all, With with) {
  std::string out;
  for (size_t begin = 0; begin < all.size();) {
    const size_t end = std::min(all.find('&', begin), all.size());
    with(all.substr(begin, end - begin), out);
    if (end < all.size()) out += '&';
    begin = end + 1;
  }
  return out;
}

bool RedactUrl(const Names& names, const Mask& mask, std::string& url, int urls);

bool RedactPairs(const Names& names, const Mask& mask, std::string& pairs, int urls) {
  bool any = false;
  std::string out = ForEachPair(pairs, [&](std::string_view pair, std::string& to) {
    const size_t secret = SecretIn(names, pair);
    if (secret != std::string_view::npos) {
      to.append(pair.substr(0, secret)).append(mask(FormDecode(pair.substr(secret))));
      any = true;
      return;
    }
    const size_t value = pair.find('=') + 1;
    const bool may_be_url = urls < kMaxUrls && pair.find_first_of("%=", value) != std::string_view::npos;
    std::string plain = may_be_url ? FormDecode(pair.substr(value)) : std::string();
    if (plain.find('=') != std::string::npos && RedactUrl(names, mask, plain, urls + 1)) {
      to.append(pair.substr(0, value)).append(FormEncode(plain));
      any = true;
    } else {
      to += pair;
    }
  });
  if (any) pairs = std::move(out);
  return any;
}

bool RedactUrl(const Names& names, const Mask& mask, std::string& url, int urls) {
  const size_t hash = std::min(url.find('#'), url.size());
  const size_t question = url.find('?');
  std::string query = question < hash ? url.substr(question + 1, hash - question - 1) : std::string();
  // OAuth's implicit flow puts its token there.
  std::string fragment = hash < url.size() ? url.substr(hash + 1) : std::string();
  const bool in_query = RedactPairs(names, mask, query, urls), in_fragment = RedactPairs(names, mask, fragment, urls);
  if (!in_query && !in_fragment) return false;
  std::string out = url.substr(0, std::min(question, hash));
  if (question < hash) out.append("?").append(query);
  if (hash < url.size()) out.append("#").append(fragment);
  url = std::move(out);
  return true;
}

}  // namespace

bool RedactPairs(const Names& names, const Mask& mask, std::string& pairs) {
  return RedactPairs(names, mask, pairs, 1);
}

bool RedactUrl(const Names& names, const Mask& mask, std::string& url) { return RedactUrl(names, mask, url, 1); }

bool RedactForm(const Names& names, const Mask& mask, std::string& form) {
  RedactPairs(names, mask, form);
  bool understood = true;
  std::string out = ForEachPair(form, [&](std::string_view pair, std::string& to) {
    const size_t value = pair.find('=') + 1;  // 0: there is none, and the whole may be a value
    const std::string plain = FormDecode(pair.substr(value));
    std::string redacted;
    if (!RedactEmbedded(names, mask, plain, redacted) || MentionsKey(names, FormDecode(pair.substr(0, value)))) {
      understood = false;
    } else if (redacted == plain) {
      to += pair;
    } else {
      to.append(pair.substr(0, value)).append(FormEncode(redacted));
    }
  });
  if (understood) form = std::move(out);
  return understood;
}

}  // namespace podtap
