#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "data/formats/csv_cells.h"
#include "data/table_fit_internal.h"

namespace hop::data {
namespace {

// `"age" = "drop"`: the text that a user may write for the column.
std::string say(const TableColumn& column, const char* word) {
  const std::string key = column.name.empty() ? std::to_string(column.place) : printable(column.name);
  return "columns = { \"" + key + "\" = \"" + word + "\" }";
}

[[noreturn]] void no_values(const TableColumn& column) {
  throw DataError("[data] expected values in column " + column.title() +
                  ", got none in the training rows: " + say(column, "drop") + " leaves it out");
}

// A category may have been guessed, because its numbers have leading zeros.
std::string remedy_for_numbers(const TableColumn& column) {
  const auto code = std::ranges::find_if(column.words, is_code);
  const bool are_numbers = std::ranges::all_of(
      column.words, [](const std::string& word) { return is_missing(word) || number_in(word).has_value(); });
  if (code == column.words.end() || !are_numbers) return "";
  return "; " + say(column, "number") + " takes them for numbers, without the leading zeros of \"" + *code + "\"";
}

void check_words(const TableColumn& column) {
  if (column.is_index() || column.words.size() <= kMostOneHot) return;
  throw DataError("[data] expected at most " + std::to_string(kMostOneHot) + " words in column " + column.title() +
                  ", got " + std::to_string(column.words.size()) +
                  ", which would be a feature each: categories = \"index\" makes one feature of them, for a model that "
                  "begins with the layer \"embed 16\"; " +
                  say(column, "drop") + " leaves it out" + remedy_for_numbers(column));
}

std::string unseen_note(const TableColumn& column, std::size_t words) {
  return "column " + column.title() + " has " + std::to_string(words) +
         (words == 1 ? " word that no training row has; it is" : " words that no training row has; they are") +
         (column.is_index() ? " index 0" : " 0 in all of its features");
}

}  // namespace

TableFit::TableFit(std::vector<RawColumn> table) {
  std::size_t at = 0;
  for (RawColumn& raw : table) {
    Fit& fit = columns_.emplace_back(Fit{.raw = std::move(raw), .at = at});
    const bool is_number = fit.raw.kind == ColumnKind::number, is_category = fit.raw.kind == ColumnKind::category;
    if (is_category) fit.occurs.resize(fit.raw.words->size());
    if (is_number && fit.raw.has_missing) fit.median.emplace();
    if (is_number || is_category) ++at;
  }
}

int TableFit::passes() const {
  if (std::ranges::any_of(columns_, [](const Fit& fit) { return fit.median.has_value(); })) return Median::kPasses;
  return std::ranges::any_of(columns_, [](const Fit& fit) { return !fit.occurs.empty(); }) ? 1 : 0;
}

void TableFit::include(std::span<const float> row) {
  for (Fit& fit : columns_) {
    if (fit.median) fit.median->include(row[fit.at]);
    if (!fit.occurs.empty()) fit.occurs[static_cast<std::size_t>(row[fit.at])] = true;
  }
}

void TableFit::end_pass() {
  for (Fit& fit : columns_) {
    if (fit.median) fit.median->end_pass();
  }
}

TableSchema TableFit::result(std::vector<std::string>& notes) const {
  TableSchema schema;
  for (const Fit& fit : columns_) {
    TableColumn& column = schema.columns.emplace_back(TableColumn{
        .name = fit.raw.name, .place = fit.raw.place, .kind = fit.raw.kind, .categories = fit.raw.categories});
    if (fit.median) {
      if (fit.median->is_empty()) no_values(column);
      column.fill = fit.median->value();
      column.indicator = fit.raw.missing == MissingValues::indicator;
    }
    for (std::size_t i = 0; i < fit.occurs.size(); ++i) {
      if (fit.occurs[i]) column.words.push_back((*fit.raw.words)[i]);
    }
    std::ranges::sort(column.words);
    check_words(column);
    const std::size_t unseen = fit.occurs.size() - column.words.size();
    if (unseen > 0) notes.push_back(unseen_note(column, unseen));
  }
  return schema;
}

std::vector<ColumnScale> scales_of(const std::vector<RawColumn>& table, const TableSchema& schema) {
  std::vector<ColumnScale> scales;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const TableColumn& column = schema.columns[i];
    if (column.is_index()) continue;
    if (column.kind == ColumnKind::number) scales.push_back(table[i].scale);
    const std::size_t others = column.features() - (column.kind == ColumnKind::number ? 1 : 0);
    scales.insert(scales.end(), others, ColumnScale::none);
  }
  scales.resize(schema.features(), ColumnScale::none);  // indices are the last features
  return scales;
}

}  // namespace hop::data
