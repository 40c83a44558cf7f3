#include "data/formats/csv_places.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/table.h"
#include "base/words.h"
#include "data/absent_columns.h"
#include "data/formats/csv_cells.h"
#include "data/formats/csv_separator.h"
#include "data/formats/csv_table_internal.h"

namespace hop::data {
namespace {

using Names = std::vector<std::string>;

std::string in_quotes(std::string_view text) { return "\"" + printable(text) + "\""; }

/// One use of place_columns.
class Finder {
 public:
  Finder(const CsvFirst& first, const CsvOptions& options, const CsvTable* like, const ColumnGuesses& guesses)
      : first_(first), options_(options), like_(like), guesses_(guesses) {
    places_.width = first.cells.size();
  }

  CsvPlaces find() {
    if (like_ == nullptr) {
      if (width() < 2) one_column();
      find_labels();
      find_rules();
    } else {
      const bool may_have_names = !like_->header.empty() && options_.header != false;
      if (!may_have_names || !names_match()) match_by_place();
    }
    if (options_.header) places_.has_header = *options_.header;
    if (!places_.has_header && is_all_words()) places_.has_header = true;
    return std::move(places_);
  }

 private:
  std::size_t width() const { return first_.cells.size(); }
  bool is_cell(const std::string& name) const { return std::ranges::find(first_.cells, name) != first_.cells.end(); }
  std::size_t place_of(const std::string& name) const {
    return static_cast<std::size_t>(std::ranges::find(first_.cells, name) - first_.cells.begin());
  }
  std::string at_line(std::int64_t line) const {
    return " (" + first_.file.string() + ", line " + std::to_string(line) + ")";
  }
  std::string nearest_cell(const std::string& name) const {
    return hint(name, std::span<const std::string>(first_.cells));
  }
  std::optional<std::size_t> inside(std::int64_t place) const {
    const auto columns = static_cast<std::int64_t>(width());
    if (place < -columns || place >= columns) return std::nullopt;
    return static_cast<std::size_t>(place < 0 ? place + columns : place);
  }

  // ---- training rows

  // In the order of the file, whatever the order of the key: the bytes of a data set follow it.
  void find_labels() {
    for (const ColumnPlace& column : label_columns(options_.label)) places_.labels.push_back(find_label(column));
    if (!std::ranges::is_sorted(places_.labels)) {
      places_.notes.push_back("labels and their answers stand in the order of the file and not of the key");
    }
    std::ranges::sort(places_.labels);
    const auto twice = std::ranges::adjacent_find(places_.labels);
    if (twice != places_.labels.end()) {
      throw ConfigError("[csv] expected label columns that differ, got column " + std::to_string(*twice) +
                        " more than once (" + first_.file.string() + ")");
    }
  }

  std::size_t find_label(const ColumnPlace& column) {
    if (const auto* name = std::get_if<std::string>(&column)) {
      if (!is_cell(*name)) {
        throw DataError("[csv] expected a column named " + in_quotes(*name) + " in the header" + nearest_cell(*name) +
                        at_line(first_.line));
      }
      if (std::ranges::count(first_.cells, *name) > 1) {
        throw DataError("[csv] expected a label whose name occurs once in the header, got " + in_quotes(*name) +
                        " more than once" + at_line(first_.line) +
                        ": name the label by its number, such as label = " + std::to_string(place_of(*name)));
      }
      places_.has_header = true;
      return place_of(*name);
    }
    const std::int64_t place = std::get<std::int64_t>(column);
    if (const auto found = inside(place)) return *found;
    throw DataError("[csv] expected a label column below " + std::to_string(width()) + ", got " +
                    std::to_string(place) + " (" + first_.file.string() + ")");
  }

  bool is_label(std::size_t place) const { return std::ranges::find(places_.labels, place) != places_.labels.end(); }

  void find_rules() {
    places_.rules.assign(width(), &find_rule("number"));
    places_.said.assign(width(), false);
    for (const auto& [key, word] : options_.columns) {
      const std::size_t place = column_of(key);
      if (is_label(place)) wrong_column(key, "it is the label");
      if (places_.said[place]) wrong_column(key, "the column is named twice");
      places_.said[place] = true;
      places_.rules[place] = &find_rule(word);
      if (places_.rules[place]->kind != ColumnKind::weight) continue;
      if (places_.weight) wrong_column(key, "expected one column of weights at most, got another one");
      places_.weight = place;
    }
    for (const auto& [place, guess] : guesses_) places_.rules[place] = guess.rule;
    for (std::size_t i = 0; i < width(); ++i) {
      if (!is_label(i) && i != places_.weight && places_.rules[i]->kind != ColumnKind::ignored)
        places_.features.push_back(i);
    }
    if (places_.features.empty()) {
      throw DataError("[csv] expected a column beside the label that is not dropped" +
                      std::string(places_.weight ? " and no weight" : "") + ", got none (" + first_.file.string() +
                      ")");
    }
  }

  static const ColumnRule& find_rule(const std::string& word) {
    return find_row(column_rules(), word, "[data] columns");
  }

  [[noreturn]] void wrong_column(const std::string& key, const std::string& what) const {
    throw ConfigError("[data] columns: " + in_quotes(key) + ": " + what + " (" + first_.file.string() + ")");
  }

  // Finds a column by a name of the header or by a place. A whole number counts as a name only if the first record is
  // known to be a header.
  std::size_t column_of(const std::string& key) {
    const auto number = whole_number_in(key);
    const auto place = number ? inside(*number) : std::nullopt;
    const auto same = std::ranges::count(first_.cells, key);
    const bool is_header = options_.header.value_or(places_.has_header.value_or(false));
    if (same > 0 && options_.header != false && (is_header || !place)) {
      if (same > 1) wrong_column(key, "the header has this name more than once");
      places_.has_header = true;
      return place_of(key);
    }
    if (place) return *place;
    wrong_column(key, options_.header == false ? "expected the number of a column"
                                               : "expected the name or the number of a column" + nearest_cell(key));
  }

  // True if all cells are words where numbers belong: then the record is no row of data.
  bool is_all_words() const {
    bool some_name = false;
    if (places_.weight) {
      if (number_in(first_.cells[*places_.weight])) return false;
      some_name = is_name(first_.cells[*places_.weight]);
    }
    for (const std::size_t place : places_.features) {
      if (places_.rules[place]->kind != ColumnKind::number) continue;
      if (number_in(first_.cells[place])) return false;
      some_name = some_name || is_name(first_.cells[place]);
    }
    return some_name;
  }

  [[noreturn]] void one_column() const {
    const std::vector<std::string_view> names = names_of(separators());
    throw DataError(
        "[csv] expected at least 2 columns, got 1" + at_line(first_.line) + ": " +
        (options_.separator
             ? "separator = \"" + std::string(name_of_separator(*options_.separator)) + "\" does not separate its cells"
             : "its cells are separated by none of " + list_of(names) + "; lines before the header must go"));
  }

  // ---- test rows

  void match_by_place() {
    const CsvPlaces& places = like_->places;
    if (width() != places.width) {
      throw DataError("[csv] expected " + std::to_string(places.width) + " columns, as in the training rows, got " +
                      std::to_string(width()) + " (" + first_.file.string() + ")");
    }
    places_ = places;
    places_.notes = {};
    places_.has_header = std::nullopt;
  }

  // Matches the columns of a test file to the names of the training file. False if the first record is not a header.
  bool names_match() {
    const Names& names = like_->header;
    const std::string& label = names[like_->places.labels[0]];
    Names needed, missing;
    for (const std::size_t place : like_->places.labels) needed.push_back(names[place]);
    for (const std::size_t place : like_->places.features) needed.push_back(names[place]);
    if (like_->places.weight) needed.push_back(names[*like_->places.weight]);
    for (const std::string& name : needed) {
      if (!is_cell(name)) missing.push_back(name);
    }
    // By chance a row of data may hold a column name that is a number ("2019"). A header holds most of the names, or is
    // made of words.
    const bool is_header = is_cell(label) || 2 * missing.size() < needed.size() || options_.header == true ||
                           std::ranges::all_of(first_.cells, [](const std::string& cell) { return is_name(cell); });
    if (!is_header) return false;
    places_.has_header = true;
    if (first_.cells == names) {
      match_by_place();
      places_.has_header = true;
      return true;
    }
    if (!missing.empty()) {
      throw DataError("[csv] expected the columns of the training rows, got " +
                      absent_columns(missing, needed, first_.cells) + at_line(1));
    }
    refuse_duplicates(names, like_->file);
    refuse_duplicates(first_.cells, first_.file);
    for (const std::size_t place : like_->places.labels) places_.labels.push_back(place_of(names[place]));
    if (like_->places.weight) places_.weight = place_of(names[*like_->places.weight]);
    places_.rules.assign(width(), nullptr);
    for (const std::size_t place : like_->places.features) {
      places_.features.push_back(place_of(names[place]));
      places_.rules[places_.features.back()] = like_->places.rules[place];
    }
    note_ignored(names);
    return true;
  }

  void refuse_duplicates(const Names& names, const std::filesystem::path& file) const {
    std::set<std::string> seen;
    for (const std::string& name : names) {
      if (seen.insert(name).second) continue;
      throw DataError("[csv] expected columns in the order of the training rows or names that occur once, got " +
                      in_quotes(name) + " more than once (" + file.string() + ", line 1)");
    }
  }

  void note_ignored(const Names& names) {
    std::string ignored;
    for (const std::string& name : first_.cells) {
      if (std::ranges::find(names, name) == names.end()) ignored += (ignored.empty() ? "" : ", ") + in_quotes(name);
    }
    if (!ignored.empty()) places_.notes.push_back("the training rows have no column " + ignored + ": ignored");
  }

  const CsvFirst& first_;
  const CsvOptions& options_;
  const CsvTable* like_;
  const ColumnGuesses& guesses_;
  CsvPlaces places_;
};

}  // namespace

CsvPlaces place_columns(const CsvFirst& first, const CsvOptions& options, const CsvTable* like,
                        const ColumnGuesses& guesses) {
  return Finder(first, options, like, guesses).find();
}

}  // namespace hop::data
