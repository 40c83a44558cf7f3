#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

#include "data/formats/csv_line_internal.h"

namespace hop::data {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

const char* read_number(const char* at, const char* end, double& value) {
  const bool may_be_code = at != end && *at == '0' && at + 1 != end && is_digit(at[1]);
  if (may_be_code) return nullptr;
  const auto [stop, error] = std::from_chars(at, end, value);
  const bool is_number = error == std::errc{} && std::abs(value) <= std::numeric_limits<float>::max();
  return is_number ? stop : nullptr;
}

// The first byte behind the end of a line; null if there is none at `at`.
const char* after_line(const char* at, const char* end) {
  if (at == end) return end;
  if (*at == '\n') return at + 1;
  return *at == '\r' && at + 1 != end && at[1] == '\n' ? at + 2 : nullptr;
}

}  // namespace

CsvLine::CsvLine(std::vector<Cell> cells, char separator)
    : cells_(std::move(cells)), separator_(separator), numbers_(cells_.size()), texts_(cells_.size()) {}

// The end of a plain cell; null for a cell that only CsvRecords can read.
const char* CsvLine::end_of_text(const char* at, const char* end) const {
  const char* stop = at;
  while (stop != end && *stop != separator_ && *stop != '\n') ++stop;
  const char* last = stop != end && *stop == '\n' && stop != at && stop[-1] == '\r' ? stop - 1 : stop;
  const bool is_plain = at == last || (*at != '"' && !is_blank(*at) && !is_blank(last[-1]));
  return is_plain ? last : nullptr;
}

bool CsvLine::is_empty_cell(const char* at, const char* end) const {
  return at == end || *at == separator_ || *at == '\n' || *at == '\r';
}

// Returns the end of the cell, or null.
const char* CsvLine::read_cell(std::size_t place, const char* at, const char* end) {
  const Cell cell = cells_[place];
  if (cell == Cell::number) return read_number(at, end, numbers_[place]);
  if (cell == Cell::number_or_nothing) {
    if (!is_empty_cell(at, end)) return read_number(at, end, numbers_[place]);
    numbers_[place] = std::numeric_limits<double>::quiet_NaN();
    return at;
  }
  const char* stop = end_of_text(at, end);
  if (stop != nullptr && cell == Cell::text) texts_[place] = {at, stop};
  return stop;
}

std::size_t CsvLine::read(std::string_view text) {
  const char* at = text.data();
  const char* const end = at + text.size();
  if (at == end || *at == '\n' || *at == '\r') return 0;
  for (std::size_t place = 0; place < cells_.size(); ++place) {
    const char* stop = read_cell(place, at, end);
    if (stop == nullptr) return 0;
    if (place + 1 == cells_.size()) {
      const char* next = after_line(stop, end);
      return next == nullptr ? 0 : static_cast<std::size_t>(next - text.data());
    }
    if (stop == end || *stop != separator_) return 0;
    at = stop + 1;
  }
  return 0;
}

}  // namespace hop::data
