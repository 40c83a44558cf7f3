#include "data/formats/csv_header.h"

#include <algorithm>
#include <set>

#include "data/formats/csv_cells.h"

namespace hop::data {
namespace {

// Fewer numbers than this may be evenly spaced by chance.
constexpr std::size_t kFewestCounting = 4, kFewestEven = 3;
// Fewer rows than this say little about a column's range.
constexpr std::size_t kFewestRows = 8;

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

bool most_are_outside(const std::vector<double>& numbers, const CsvTable& rest) {
  const std::size_t rows = rest.labels.size(), width = numbers.size();
  if (rows < kFewestRows) return false;
  std::size_t outside = 0;
  for (std::size_t i = 0; i < width; ++i) {
    const auto value = static_cast<float>(numbers[i]);
    bool below = true, above = true;
    for (std::size_t row = 0; row < rows; ++row) {
      below = below && value < rest.features[row * width + i];
      above = above && value > rest.features[row * width + i];
    }
    if (below || above) ++outside;
  }
  return 2 * outside > width;
}

}  // namespace

bool looks_like_header(const std::vector<std::string>& first, std::size_t label, std::span<const std::size_t> features,
                       const CsvTable& rest) {
  if (rest.labels.empty() || !all_differ(first)) return false;
  if (std::ranges::find(rest.labels, first[label]) != rest.labels.end()) return false;
  const std::set<std::string_view> others(rest.labels.begin(), rest.labels.end());
  const bool repeat = others.size() < rest.labels.size();
  std::vector<double> numbers;
  bool has_names = false;
  for (const std::size_t place : features) {
    if (const auto value = number_in(first[place])) {
      numbers.push_back(*value);
    } else if (is_name(first[place])) {
      has_names = true;
    } else {
      return false;  // a missing value, true, ..: a faulty row of data
    }
  }
  if (has_names) return repeat;
  if (count_up(numbers)) return true;
  const bool label_is_odd = is_name(first[label]) && std::ranges::all_of(others, [](std::string_view text) {
                              return number_in(text).has_value();
                            });
  if (label_is_odd) return true;
  return repeat && (are_even(numbers) || most_are_outside(numbers, rest));
}

}  // namespace hop::data
