#include "data/row_encoder.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "data/absent_columns.h"
#include "data/formats/csv_cells.h"

namespace hop::data {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

bool is_input(ColumnKind kind) { return kind == ColumnKind::number || kind == ColumnKind::category; }

// The columns of rows that come from no table: one number per element.
TableSchema numbers_of(const Column& features) {
  TableSchema table;
  for (std::int64_t i = 0; i < features.shape.numel(); ++i) table.columns.push_back({.name = {}, .place = i});
  return table;
}

std::string in_quotes(std::string_view text) { return "\"" + printable(text) + "\""; }

[[noreturn]] void fail(const TableColumn& column, std::size_t at, const RowPlace& place, const std::string& message,
                       const std::string& remedy = "") {
  throw DataError("[rows] " + message + " (" + std::string(place.source) + ", " + std::string(place.unit) + " " +
                  std::to_string(place.number) + ", column " +
                  (column.name.empty() ? std::to_string(at) : in_quotes(column.name)) + ")" +
                  (remedy.empty() ? "" : ": " + remedy));
}

// The word that the import makes of a number.
std::string word_of(double number) {
  if (std::isnan(number)) return "";
  constexpr double kWhole = 9e15;
  if (std::floor(number) == number && std::abs(number) < kWhole) {
    return std::to_string(static_cast<std::int64_t>(number));
  }
  return shortest(number);
}

}  // namespace

RowEncoder::RowEncoder(RowSchema schema)
    : schema_(std::move(schema)),
      table_(schema_.table ? *schema_.table : numbers_of(schema_.features)),
      scaling_(schema_.scale),
      features_(static_cast<std::size_t>(inputs())) {
  for (const TableColumn& column : table_.columns) {
    has_names_ = has_names_ || !column.name.empty();
    if (!is_input(column.kind)) continue;
    const bool has_numbers =
        std::ranges::none_of(column.words, is_code) &&
        std::ranges::any_of(column.words, [](const std::string& word) { return number_in(word).has_value(); });
    sources_.push_back({column, sources_.size(), has_numbers, {}});
  }
  width_ = sources_.size();
  raw_.resize(sources_.size());
  narrow_.resize(sources_.size());
}

std::vector<std::string> RowEncoder::names_of(ColumnKind kind) const {
  std::vector<std::string> names;
  for (const TableColumn& column : table_.columns) {
    if (column.kind == kind) names.push_back(column.name);
  }
  return names;
}

bool RowEncoder::is_header(Cells record) const {
  const auto has = [&](const std::string& name) { return std::ranges::find(record, name) != record.end(); };
  if (has_names_) {
    const auto found = std::ranges::count_if(sources_, [&](const Source& s) { return has(s.column.name); });
    return std::ranges::any_of(names_of(ColumnKind::label), has) ||
           2 * static_cast<std::size_t>(found) > sources_.size() || std::ranges::all_of(record, is_name);
  }
  const bool wants_numbers =
      std::ranges::any_of(sources_, [](const Source& s) { return s.column.kind == ColumnKind::number; });
  return wants_numbers &&
         std::ranges::none_of(record, [](std::string_view cell) { return number_in(cell).has_value(); }) &&
         std::ranges::any_of(record, is_name);
}

void RowEncoder::match_names(Cells names, const std::string& where) {
  const std::vector<std::string> given(names.begin(), names.end());
  const auto same = [](const std::string& name, const TableColumn& column) { return name == column.name; };
  if (!has_names_ || std::ranges::equal(given, table_.columns, same)) return match_places(names.size(), where);
  const auto place_of = [&](const std::string& name) {
    return static_cast<std::size_t>(std::ranges::find(given, name) - given.begin());
  };
  std::vector<std::string> needed, absent;
  std::set<std::size_t> used;
  for (Source& source : sources_) {
    needed.push_back(source.column.name);
    source.place = place_of(source.column.name);
    const auto times = std::ranges::count(given, source.column.name);
    if (times == 0) {
      absent.push_back(source.column.name);
    } else if (times > 1 || !used.insert(source.place).second) {
      throw DataError("[rows] expected names that occur once, got " + in_quotes(source.column.name) +
                      " more than once (" + where + ")");
    }
  }
  if (!absent.empty()) {
    throw DataError("[rows] expected the columns of the training rows, got " + absent_columns(absent, needed, given) +
                    " (" + where + ")");
  }
  width_ = given.size();
  labels_.clear();
  for (const std::string& label : names_of(ColumnKind::label)) labels_.push_back(place_of(label));
  if (std::ranges::find(labels_, given.size()) != labels_.end()) labels_.clear();
  used.insert(labels_.begin(), labels_.end());
  ignored_.clear();
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (!used.contains(i)) ignored_.push_back(given[i]);
  }
}

void RowEncoder::match_places(std::size_t width, const std::string& where) {
  const auto is_known = [](const TableColumn& column) {  // of training rows alone
    return column.kind == ColumnKind::label || column.kind == ColumnKind::weight;
  };
  const std::size_t all = table_.columns.size(), inputs = sources_.size();
  const std::size_t without = all - static_cast<std::size_t>(std::ranges::count_if(table_.columns, is_known));
  if (width != all && width != without && width != inputs) {
    throw DataError("[rows] expected " + std::to_string(inputs) + " columns" +
                    (without != inputs ? " (or " + std::to_string(without) + " with those that are not used)" : "") +
                    (all != without ? ", or " + std::to_string(all) + " with the label" +
                                          (table_.has_weights() ? " and the weight" : "")
                                    : "") +
                    ", got " + std::to_string(width) + " (" + where + ")");
  }
  width_ = width;
  labels_.clear();
  ignored_.clear();
  std::size_t place = 0, source = 0;
  for (const TableColumn& column : table_.columns) {
    if (is_input(column.kind)) {
      sources_[source++].place = place++;
    } else if (width == all || (width == without && !is_known(column))) {
      if (column.kind == ColumnKind::label) labels_.push_back(place);
      ++place;
    }
  }
}

double RowEncoder::missing(const Source& source, std::string_view cell, const RowPlace& place) const {
  if (source.column.fill) return kMissing;
  fail(source.column, source.place, place, "expected a number, got " + in_quotes(cell),
       "a missing value, and no training row lacked one here: nothing says what stands for it");
}

// A word that no training row has is an answer for less than the model could know: it is counted.
void RowEncoder::take(const Source& source, std::string_view word, std::size_t at) {
  const std::size_t index = source.column.index_of(word);
  raw_[at] = static_cast<double>(index);
  if (index > 0) return;
  UnseenWords& unseen = sources_[at].unseen;
  if (unseen.rows++ == 0) unseen.first = word;
}

void RowEncoder::encode(Cells cells, const RowPlace& place, std::span<float> input) {
  if (cells.size() != width_) {
    throw DataError("[rows] expected " + std::to_string(width_) + " columns, got " + std::to_string(cells.size()) +
                    " (" + std::string(place.source) + ", " + std::string(place.unit) + " " +
                    std::to_string(place.number) + ")");
  }
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const Source& source = sources_[i];
    const std::string_view cell = cells[source.place];
    if (source.column.kind == ColumnKind::category) {
      // The training rows may have been imported when fewer words stood for a missing value: their word is known as it
      // stands.
      const std::string word = category_word(cell);
      take(source, source.column.index_of(cell) > 0 ? cell : word, i);
    } else if (const auto value = number_in(cell)) {
      raw_[i] = *value;
    } else if (is_missing(cell)) {
      raw_[i] = missing(source, cell, place);
    } else {
      fail(source.column, source.place, place, "expected a number, got " + in_quotes(cell), remedy_for(cell));
    }
  }
  finish(input);
}

void RowEncoder::encode(std::span<const double> numbers, const RowPlace& place, std::span<float> input) {
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    const Source& source = sources_[i];
    const double number = numbers[i];
    if (std::abs(number) > std::numeric_limits<float>::max()) {
      fail(source.column, i, place, "expected a finite number of at most 3.4e38 in size, got " + shortest(number));
    }
    if (source.column.kind == ColumnKind::category) {
      if (!source.has_numbers) {
        fail(source.column, i, place, "expected a word, got " + shortest(number), "give the rows as text");
      }
      take(source, word_of(number), i);
    } else {
      raw_[i] = std::isnan(number) ? missing(source, "NaN", place) : number;
    }
  }
  finish(input);
}

void RowEncoder::finish(std::span<float> input) {
  if (!schema_.table && scaling_dtype(schema_.features.dtype) == DType::f64) {
    return scaling_.apply<double>(raw_.data(), input.data(), inputs());
  }
  std::ranges::transform(raw_, narrow_.begin(), [](double value) { return static_cast<float>(value); });
  table_.encode(narrow_, features_);
  scaling_.apply<float>(features_.data(), input.data(), inputs());
}

std::vector<UnseenWords> RowEncoder::unseen() const {
  std::vector<UnseenWords> found;
  for (const Source& source : sources_) {
    if (source.unseen.rows == 0) continue;
    found.push_back({source.column.title(), source.unseen.first, source.unseen.rows});
  }
  return found;
}

}  // namespace hop::data
