#include "data/formats/csv_header_internal.h"

#include <algorithm>
#include <set>
#include <utility>

#include "data/formats/csv_cells.h"

namespace hop::data {
namespace {

// Fewer numbers than this may be evenly spaced by chance.
constexpr std::size_t kFewestCounting = 4, kFewestEven = 3;
// Fewer rows than this say little about a column's range.
constexpr std::int64_t kFewestRows = 8;

bool all_differ(const std::vector<std::string>& cells) {
  const std::set<std::string_view> distinct(cells.begin(), cells.end());
  return distinct.size() == cells.size() && !distinct.contains("");
}

bool are_even(const std::vector<double>& numbers) {
  for (std::size_t i = 2; i < numbers.size(); ++i) {
    if (numbers[i] - numbers[i - 1] != numbers[1] - numbers[0]) return false;
  }
  return numbers.size() >= kFewestEven && numbers[1] != numbers[0];
}

// pandas' column numbers: 0, 1, 2, .. or 1, 2, 3, ..
bool count_up(const std::vector<double>& numbers) {
  return numbers.size() >= kFewestCounting && (numbers[0] == 0 || numbers[0] == 1) && are_even(numbers) &&
         numbers[1] == numbers[0] + 1;
}

// True if most of the numbers lie outside the range of their columns.
bool most_are_outside(const std::vector<std::pair<double, const NumberColumn*>>& numbers, std::int64_t rows) {
  if (rows < kFewestRows) return false;
  const auto outside = std::ranges::count_if(numbers, [](const auto& cell) {
    const auto& [value, column] = cell;
    const auto rounded = static_cast<float>(value);
    return rounded < static_cast<float>(column->least) || rounded > static_cast<float>(column->greatest);
  });
  return 2 * static_cast<std::size_t>(outside) > numbers.size();
}

// Labels that are measured differ anyway, so only a word or a whole record in even steps tells.
bool looks_like_header_of_numbers(const std::vector<std::string>& first, const CsvTable& rest) {
  if (std::ranges::any_of(rest.places.labels, [&](std::size_t place) { return is_name(first[place]); })) return true;
  std::vector<double> numbers;
  for (const std::string& cell : first) {
    if (const auto value = number_in(cell)) numbers.push_back(*value);
  }
  return numbers.size() == first.size() && numbers.size() >= kFewestCounting && are_even(numbers);
}

}  // namespace

bool looks_like_header(const std::vector<std::string>& first, const CsvTable& rest) {
  if (rest.places.weight && is_name(first[*rest.places.weight])) return true;  // no row has a word there
  const std::string& label = first[rest.places.labels[0]];
  if (rest.rows() == 0 || !all_differ(first) || rest.labels.words.find(label)) return false;
  if (rest.labels.kind() == TargetKind::numbers) return looks_like_header_of_numbers(first, rest);
  const bool repeat = std::cmp_less(rest.labels.words.size(), rest.rows());
  std::vector<std::pair<double, const NumberColumn*>> cells;
  bool has_names = false;
  for (std::size_t i = 0; i < rest.features.size(); ++i) {
    const std::string& cell = first[rest.places.features[i]];
    const CsvFeature& feature = rest.features[i];
    if (feature.words != nullptr) {
      if (feature.words->find(cell)) return false;  // a value that the column has elsewhere, too
      has_names = has_names || is_name(cell);
    } else if (const auto value = number_in(cell)) {
      cells.emplace_back(*value, &feature.numbers);
    } else if (is_name(cell)) {
      has_names = true;
    } else {
      return false;  // a missing value, true, ..: a row of data
    }
  }
  if (has_names) return repeat;
  std::vector<double> numbers;
  for (const auto& [value, column] : cells) numbers.push_back(value);
  if (count_up(numbers)) return true;
  const bool label_is_odd = is_name(label) && std::ranges::all_of(rest.labels.words.words(), [](const auto& word) {
                              return number_in(word).has_value();
                            });
  if (label_is_odd) return true;
  return repeat && (are_even(numbers) || most_are_outside(cells, rest.rows()));
}

}  // namespace hop::data
