#include "data/absent_columns.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/words.h"

namespace hop::data {
namespace {

std::string list_in_quotes(std::span<const std::string> names) {
  std::vector<std::string> quoted;
  for (const std::string& name : names) quoted.push_back("\"" + printable(name) + "\"");
  const std::vector<std::string_view> views(quoted.begin(), quoted.end());
  return list_of(views, 8);
}

}  // namespace

std::string absent_columns(std::span<const std::string> absent, std::span<const std::string> needed,
                           std::span<const std::string> given) {
  const std::string text = "none named " + list_in_quotes(absent);
  std::vector<std::string> others;  // that stand for no needed column
  std::ranges::copy_if(given, std::back_inserter(others),
                       [&](const std::string& name) { return std::ranges::find(needed, name) == needed.end(); });
  for (const std::string& name : absent) {
    const std::string near = nearest(name, others);
    if (near.empty()) continue;
    return text + "; is \"" + printable(near) + "\" meant? Then name that column \"" + printable(name) + "\"";
  }
  return text + "; the columns are " + list_in_quotes(given);
}

}  // namespace hop::data
