// SPDX-License-Identifier: Apache-2.0
#include "sidecar/policy/redact_pairs.h"

#include <algorithm>
#include <utility>

#include "base/percent.h"

namespace podtap {

bool RedactPairs(const Names& names, const Mask& mask, std::string& pairs) {
  std::string out;
  bool any = false;
  const std::string_view all = pairs;
  for (size_t begin = 0; begin < all.size();) {
    const size_t end = std::min(all.find_first_of("&;", begin), all.size());
    const std::string_view pair = all.substr(begin, end - begin);
    const size_t equals = pair.find('=');
    if (equals != std::string_view::npos && names.HasPart(FormDecode(pair.substr(0, equals)))) {
      out.append(pair.substr(0, equals + 1)).append(mask(FormDecode(pair.substr(equals + 1))));
      any = true;
    } else {
      out += pair;
    }
    if (end < all.size()) out += all[end];
    begin = end + 1;
  }
  if (any) pairs = std::move(out);
  return any;
}

bool RedactUrl(const Names& names, const Mask& mask, std::string& url) {
  const size_t hash = std::min(url.find('#'), url.size());
  const size_t question = url.find('?');
  std::string query = question < hash ? url.substr(question + 1, hash - question - 1) : std::string();
  // OAuth's implicit flow puts its token there.
  std::string fragment = hash < url.size() ? url.substr(hash + 1) : std::string();
  const bool in_query = RedactPairs(names, mask, query), in_fragment = RedactPairs(names, mask, fragment);
  if (!in_query && !in_fragment) return false;
  std::string out = url.substr(0, std::min(question, hash));
  if (question < hash) out.append("?").append(query);
  if (hash < url.size()) out.append("#").append(fragment);
  url = std::move(out);
  return true;
}

}  // namespace podtap
