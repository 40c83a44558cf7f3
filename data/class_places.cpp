#include "data/class_places.h"

#include <algorithm>
#include <cmath>

#include "data/formats/csv_cells.h"

namespace hop::data {

bool is_whole_label(std::string_view label) {
  const auto value = number_in(label);
  return value && std::floor(*value) == *value;
}

std::string canonical_label(std::string_view label, bool whole) {
  const auto number = whole ? whole_number_in(label) : std::nullopt;
  return number ? std::to_string(*number) : std::string(label);
}

ClassPlaces::ClassPlaces(const std::vector<std::string>& names) : whole_(std::ranges::all_of(names, is_whole_label)) {
  std::int64_t place = 0;
  for (const std::string& name : names) places_.emplace(canonical_label(name, whole_), place++);
}

std::optional<std::int64_t> ClassPlaces::find(std::string_view label) const {
  const auto found = places_.find(canonical_label(label, whole_));
  return found == places_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace hop::data
