#include <algorithm>
#include <cstring>
#include <numeric>
#include <optional>

#include "base/words.h"
#include "data/label_counts_internal.h"

namespace hop::data {
namespace {

std::string name_of(const Target& target, std::size_t index) {
  return target.class_names.empty() ? std::to_string(index) : "\"" + printable(target.class_names[index]) + "\"";
}

// A few rows may lack a class by chance.
bool are_enough(const std::vector<std::int64_t>& counts) {
  constexpr std::int64_t kFewest = 8;
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0}) >= kFewest;
}

std::string list_of_classes(const std::vector<std::string>& names) {
  const std::vector<std::string_view> words(names.begin(), names.end());
  return list_of(words, 4);
}

// The class of all rows, if they have only one.
std::optional<std::size_t> only_class(const std::vector<std::int64_t>& counts) {
  const auto is_there = [](std::int64_t rows) { return rows > 0; };
  if (counts.size() < 2 || std::ranges::count_if(counts, is_there) != 1 || !are_enough(counts)) return std::nullopt;
  return static_cast<std::size_t>(std::ranges::find_if(counts, is_there) - counts.begin());
}

}  // namespace

LabelCounts::LabelCounts(const Target& target)
    : training_(static_cast<std::size_t>(target.classes)), validation_(training_.size()) {}

void LabelCounts::include(Counts& counts, ByteView records, std::size_t record_bytes) {
  if (counts.empty()) return;
  for (std::size_t end = record_bytes; end <= records.size(); end += record_bytes) {
    std::int64_t label = 0;
    std::memcpy(&label, records.data() + end - sizeof label, sizeof label);
    ++counts[static_cast<std::size_t>(label)];
  }
}

std::vector<std::string> LabelCounts::warnings(const Target& target) const {
  std::vector<std::string> lines;
  std::vector<std::string> unseen, unmeasured;
  for (std::size_t c = 0; c < training_.size(); ++c) {
    if (training_[c] == 0 && validation_[c] > 0) unseen.push_back(name_of(target, c));
    if (training_[c] > 0 && validation_[c] == 0) unmeasured.push_back(name_of(target, c));
  }
  if (!unseen.empty()) {
    lines.push_back("no training row has the class " + list_of_classes(unseen) +
                    ", which validation rows have: no model can learn it; validation = { fraction = 0.1, stratified = "
                    "true } keeps rows of each class on both sides");
  }
  if (const auto only = only_class(validation_)) {
    lines.push_back("all validation rows have the class " + name_of(target, *only) +
                    ": their accuracy says little; are the rows of the file sorted by class?");
  } else if (!unmeasured.empty() && are_enough(validation_)) {
    lines.push_back("no validation row has the class " + list_of_classes(unmeasured) +
                    ": nothing measures what models know of it");
  }
  for (const TargetColumn& column : target.columns) {
    if (column.greatest > column.least) continue;
    lines.push_back("the label" + (column.name.empty() ? "" : " \"" + printable(column.name) + "\"") + " is " +
                    shortest(column.least) + " in all training rows: there is nothing to learn");
  }
  return lines;
}

}  // namespace hop::data
