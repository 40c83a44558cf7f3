#include "base/error.h"
#include "base/words.h"
#include "data/formats/csv_cells.h"
#include "data/formats/csv_faults_internal.h"

namespace hop::data {
namespace {

std::string in_quotes(std::string_view text) { return "\"" + printable(text) + "\""; }

}  // namespace

void CsvFaults::fail(const std::string& message, std::int64_t line, std::optional<std::size_t> column,
                     const std::string& remedy) const {
  std::string place = file_.string() + ", line " + std::to_string(line);
  if (column) place += ", column " + std::to_string(*column);
  if (column && knows_header()) place += " " + in_quotes(first_[*column]);
  throw DataError("[csv] " + message + " (" + place + ")" + (remedy.empty() ? "" : ": " + remedy));
}

void CsvFaults::no_number(const Cells& cells, std::size_t place, std::int64_t line) const {
  std::string remedy = remedy_for(cells[place]);
  const bool is_word = remedy.empty() || is_truth(cells[place]);
  if (remedy.empty()) {
    const bool by_name = knows_header() && std::holds_alternative<std::string>(options_.label);
    remedy = "is column " + std::to_string(place) +
             " the label? label = " + (by_name ? in_quotes(first_[place]) : std::to_string(place));
  }
  if (is_word) remedy += "; or say that words are categories: columns = " + categories_of(cells);
  remedy += on_header(line);
  fail("expected a number, got " + in_quotes(cells[place]), line, place, remedy);
}

void CsvFaults::no_target(std::string_view cell, std::size_t place, std::int64_t line) const {
  std::string remedy = is_missing(cell) ? "a row without a label teaches nothing: leave it out" : remedy_for(cell);
  if (remedy.empty()) remedy = "words are classes: target = \"class\" with loss = \"cross_entropy\"";
  remedy += on_header(line);
  fail("expected a number to predict, got " + in_quotes(cell), line, place, remedy);
}

float CsvFaults::weight_of(std::string_view cell, std::int64_t line) const {
  const std::optional<double> weight = number_in(cell);
  if (weight && *weight >= 0) return static_cast<float>(*weight);
  const std::string known = is_missing(cell) ? "" : remedy_for(cell);
  std::string remedy = (known.empty() ? "" : known + "; ") +
                       "a row of weight 1 counts once, one of weight 0 not at all; \"drop\" leaves the column out";
  remedy += on_header(line);
  fail("expected a weight, a finite number of 0 or more, got " + (cell.empty() ? "nothing" : in_quotes(cell)), line,
       *places_.weight, remedy);
}

void CsvFaults::check_text(std::string_view text, std::size_t place, std::int64_t line) const {
  if (!is_utf8(text)) fail("expected UTF-8, got " + in_quotes(text), line, place, "save the file as UTF-8");
  if (text.find('\0') != std::string_view::npos) fail("expected text without zero bytes", line, place);
}

// What else a first record may be.
std::string CsvFaults::on_header(std::int64_t line) const {
  if (line != first_line_) return "";
  return "; if line " + std::to_string(line) + " is a header, say header = true";
}

// `{ "city" = "category", "color" = "category" }`: all columns of numbers that hold a word here.
std::string CsvFaults::categories_of(const Cells& cells) const {
  constexpr int kMost = 8;
  std::string text;
  int columns = 0;
  for (const std::size_t place : places_.features) {
    const bool is_number = places_.rules[place]->kind != ColumnKind::number || number_in(cells[place]);
    if (is_number || is_missing(cells[place])) continue;
    if (columns++ == kMost) return text + ", .. }";
    text += (text.empty() ? "{ " : ", ") + in_quotes(knows_header() ? first_[place] : std::to_string(place)) +
            " = \"category\"";
  }
  return text + " }";
}

}  // namespace hop::data
