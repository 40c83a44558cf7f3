#include "data/formats/csv_separator.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/table.h"
#include "data/formats/csv_records.h"

namespace hop::data {
namespace {

constexpr std::size_t kLookedAt = 32;  // records

// A tab seldom stands inside a cell; a semicolon and a bar do.
constexpr std::array kSeparators = {Separator{"comma", ','}, Separator{"tab", '\t'}, Separator{"semicolon", ';'},
                                    Separator{"bar", '|'}};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// The first records, as one separator cuts them.
struct Cut {
  std::size_t width = 0;  // cells of the first record
  std::size_t records = 0;
  std::size_t alike = 0;       // records of that width
  std::string_view text = {};  // of these records

  bool fits() const { return width > 1 && alike == records; }
  bool may_be_decimals() const {
    for (std::size_t at = text.find(','); at != std::string_view::npos; at = text.find(',', at + 1)) {
      if (at == 0 || at + 1 == text.size() || !is_digit(text[at - 1]) || !is_digit(text[at + 1])) return false;
    }
    return true;
  }
};

Cut cut(std::string_view text, char separator) {
  Cut cut;
  CsvRecords records(text, {}, separator);
  std::vector<std::string_view> cells;
  try {
    while (cut.records < kLookedAt && records.next(cells)) {
      if (cut.records++ == 0) cut.width = cells.size();
      if (cells.size() == cut.width) ++cut.alike;
    }
  } catch (const DataError&) {  // a quote in the wrong place, if this is the separator
    ++cut.records;
  }
  cut.text = text.substr(0, records.position());
  return cut;
}

}  // namespace

std::span<const Separator> separators() { return kSeparators; }

std::string_view name_of_separator(char separator) {
  return std::ranges::find(kSeparators, separator, &Separator::character)->name;
}

std::optional<char> separator_from(std::string_view text) {
  if (text == "\\t") return '\t';  // as one types it in a shell
  for (const Separator& separator : kSeparators) {
    if (text == separator.name || text == std::string_view(&separator.character, 1)) return separator.character;
  }
  return std::nullopt;
}

char parse_separator(std::string_view text, std::string_view where) {
  const std::optional<char> separator = separator_from(text);
  return separator ? *separator : find_row(separators(), text, where).character;
}

char find_separator(std::string_view text, char usual) {
  if (const std::optional<char> named = CsvRecords(text, {}, usual).named_separator()) return *named;
  const Cut as_usual = cut(text, usual);
  const bool is_doubtful = usual == ',' && as_usual.may_be_decimals();
  if (as_usual.fits() && !is_doubtful) return usual;
  char best = usual;
  std::size_t most = as_usual.width > 1 ? as_usual.alike : 0;
  for (const Separator& separator : kSeparators) {
    if (separator.character == usual) continue;
    const Cut other = cut(text, separator.character);
    if (other.fits() && !(separator.character == ',' && other.may_be_decimals())) return separator.character;
    if (other.width < 2 || other.alike <= most) continue;
    best = separator.character;
    most = other.alike;
  }
  return as_usual.fits() ? usual : best;
}

bool looks_like_table(std::string_view text) {
  return std::ranges::any_of(kSeparators, [text](const Separator& separator) {
    const Cut found = cut(text, separator.character);
    return found.fits() && found.records > 1;
  });
}

}  // namespace hop::data
