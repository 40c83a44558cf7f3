#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/table.h"
#include "base/words.h"
#include "data/formats/csv_cells.h"
#include "data/formats/csv_faults_internal.h"
#include "data/formats/csv_header_internal.h"
#include "data/formats/csv_line_internal.h"
#include "data/formats/csv_notes_internal.h"
#include "data/formats/csv_records.h"
#include "data/formats/csv_separator.h"
#include "data/formats/csv_table_internal.h"
#include "data/manifest_internal.h"
#include "data/mapped_file.h"
#include "data/table_schema.h"

namespace hop::data {
namespace {

using Cells = std::vector<std::string_view>;

constexpr std::size_t kMaxWords = 1 << 20;      // of a category: their numbers are exact in f32
constexpr std::size_t kEnoughWords = 4096;      // of a guessed category, to tell an id
constexpr std::size_t kWindowBytes = 32 << 20;  // of the text that stay in memory

std::string in_quotes(std::string_view text) { return "\"" + printable(text) + "\""; }

// `header = false` and the like, in the words of the experiment file and the command line.
constexpr const char* kSayHeader = "header = true or false decides";

std::filesystem::path scratch_of(const CsvOptions& options) {
  std::error_code none;  // a small table needs no folder
  return options.scratch.empty() ? std::filesystem::temp_directory_path(none) : options.scratch;
}

class TableReader {
 public:
  TableReader(const std::filesystem::path& file, const CsvOptions& options, const CsvTable* like,
              const ColumnGuesses& guesses)
      : mapped_(file),
        separator_(separator_of(as_text(mapped_.bytes()), options, like)),
        records_(as_text(mapped_.bytes()), file, separator_),
        options_(options),
        like_(like),
        first_(read_first()),
        first_line_(records_.line()),
        table_(start({file, first_, first_line_}, options, like, guesses)),
        faults_(table_.file, first_, first_line_, table_.places, options_),
        line_(cells_of(table_, options_), separator_),
        row_(table_.store.row_bytes() / sizeof(float)) {
    table_.separator = separator_;
    table_.guesses = guesses;
    for (const std::string& text : places().notes) note(text);
    for (std::size_t i = 0; i < places().features.size(); ++i) {
      CsvFeature& feature = table_.features.emplace_back();
      feature.rule = places().rules[places().features[i]];
      if (feature.rule->kind != ColumnKind::category) continue;
      feature.words = like != nullptr ? like->features[i].words : std::make_shared<WordList>();
    }
  }

  /// None if the rows have shown that a column is something else than it was taken for: guesses() knows, and the file
  /// must be read anew.
  std::optional<CsvTable> read() {
    const Cells first(first_.begin(), first_.end());
    std::optional<bool>& has_header = table_.places.has_header;
    if (!has_header) table_.store.append(row_bytes(), 0);  // room for the first record, in case it is a row
    table_.skipped = has_header ? 0 : 1;
    if (has_header == false) append(first, first_line_);
    while (!is_over_ && (append_line() || append_record())) give_back();
    if (!is_wrong_ && !has_header) {
      has_header = looks_like_header(first_, table_);
      const std::string line = "line " + std::to_string(first_line_);
      note((*has_header ? line + " is taken for the header; " : "no header: " + line + " is taken for data; ") +
           kSayHeader);
      if (!*has_header) precede(first, first_line_);
    }
    for (const auto& [place, guess] : table_.guesses) drop_id(place);
    if (is_wrong_) return std::nullopt;
    if (table_.rows() == 0) throw DataError("[csv] expected rows after the header (" + table_.file.string() + ")");
    if (*has_header) set_header();
    finish_source();
    for (const std::string& line : notes_on_columns(table_, options_, like_)) note(line);
    return std::move(table_);
  }
  const ColumnGuesses& guesses() const { return table_.guesses; }

 private:
  const CsvPlaces& places() const { return table_.places; }
  CsvLabels& labels() { return table_.labels; }
  ByteView row_bytes() const { return std::as_bytes(std::span(row_)); }

  static char separator_of(std::string_view text, const CsvOptions& options, const CsvTable* like) {
    return options.separator ? *options.separator : find_separator(text, like != nullptr ? like->separator : ',');
  }

  static CsvTable start(const CsvFirst& first, const CsvOptions& options, const CsvTable* like,
                        const ColumnGuesses& guesses) {
    CsvPlaces places = place_columns(first, options, like, guesses);
    CsvLabels labels{.may_be_classes = options.target != TargetKind::numbers,
                     .may_be_numbers = options.target != TargetKind::classes};
    if (labels.may_be_numbers) labels.numbers.resize(places.labels.size());
    const std::size_t floats = places.features.size() + labels.numbers.size() + (places.weight ? 1 : 0);
    RowStore store(floats * sizeof(float), scratch_of(options));
    return {.file = first.file, .places = std::move(places), .labels = std::move(labels), .store = std::move(store)};
  }

  // What CsvLine reads of each column. A label that may be a class is text.
  static std::vector<CsvLine::Cell> cells_of(const CsvTable& table, const CsvOptions& options) {
    const CsvPlaces& places = table.places;
    const bool may_lack = options.missing != MissingValues::error;
    const CsvLine::Cell number = may_lack ? CsvLine::Cell::number_or_nothing : CsvLine::Cell::number;
    std::vector<CsvLine::Cell> cells(places.width, CsvLine::Cell::skipped);
    for (const std::size_t place : places.features) {
      cells[place] = places.rules[place]->kind == ColumnKind::number ? number : CsvLine::Cell::text;
    }
    for (const std::size_t place : places.labels) {
      cells[place] = table.labels.may_be_classes ? CsvLine::Cell::text : CsvLine::Cell::number;
    }
    if (places.weight) cells[*places.weight] = CsvLine::Cell::text;
    return cells;
  }

  std::vector<std::string> read_first() {
    const std::filesystem::path& file = mapped_.file();
    if (const std::string what = foreign_format(mapped_.bytes()); !what.empty()) {
      throw DataError("[csv] expected comma-separated text, got " + what + " (" + file.string() + ")");
    }
    Cells cells;
    if (!records_.next(cells)) throw DataError("[csv] expected rows, got an empty file (" + file.string() + ")");
    return {cells.begin(), cells.end()};
  }

  // ---- rows

  // The next record, if it has the usual form.
  bool append_line() {
    const std::size_t bytes = line_.read(records_.rest());
    if (bytes == 0) return false;
    records_.pass_line(bytes);
    const std::int64_t line = records_.line();
    for (std::size_t i = 0; i < table_.features.size(); ++i) {
      const std::size_t place = places().features[i];
      CsvFeature& feature = table_.features[i];
      if (feature.words != nullptr) {
        row_[i] = static_cast<float>(number_of_word(feature, line_.text(place), line, place));
      } else {
        const double number = line_.number(place);
        row_[i] = static_cast<float>(number);
        std::isnan(number) ? feature.numbers.miss() : feature.numbers.include(number);
      }
    }
    for (std::size_t i = 0; labels().may_be_numbers && i < labels().numbers.size(); ++i) {
      const std::size_t place = places().labels[i];
      const std::string_view text = line_.text(place);
      take_number(i, labels().may_be_classes ? number_in(text) : line_.number(place), text, line,
                  &NumberColumn::include);
    }
    if (places().weight) row_.back() = faults_.weight_of(line_.text(*places().weight), line);
    const std::size_t label = places().labels[0];
    table_.store.append(row_bytes(), labels().may_be_classes ? number_of_label(line_.text(label), line) : 0);
    return true;
  }

  // The next record, in any form; false at the end.
  bool append_record() {
    if (!records_.next(record_)) return false;
    append(record_, records_.line());
    return true;
  }

  void append(const Cells& cells, std::int64_t line) {
    const std::uint32_t label = encode(cells, line, &NumberColumn::include);
    table_.store.append(row_bytes(), label);
  }

  // The first record is a row after all: puts it before the others.
  void precede(const Cells& cells, std::int64_t line) {
    const std::uint32_t label = encode(cells, line, &NumberColumn::precede);
    table_.store.replace(0, row_bytes(), label);
    table_.skipped = 0;
  }

  using Pass = void (NumberColumn::*)(double);

  // Puts a record into row_ and returns the number of its label's word.
  std::uint32_t encode(const Cells& cells, std::int64_t line, Pass pass) {
    if (cells.size() != places().width) {
      faults_.fail("expected " + std::to_string(places().width) + " columns, got " + std::to_string(cells.size()), line,
                   {}, kOtherWidth);
    }
    for (std::size_t i = 0; i < table_.features.size(); ++i) {
      const std::size_t place = places().features[i];
      CsvFeature& feature = table_.features[i];
      if (feature.words != nullptr) {
        row_[i] = static_cast<float>(number_of_word(feature, cells[place], line, place));
      } else if (const auto value = number_in(cells[place])) {
        if (is_code(cells[place])) take_code(cells[place], place);
        row_[i] = static_cast<float>(*value);
        (feature.numbers.*pass)(*value);
      } else if (options_.missing != MissingValues::error && is_missing(cells[place])) {
        row_[i] = std::numeric_limits<float>::quiet_NaN();
        feature.numbers.miss();
      } else {
        faults_.no_number(cells, place, line);
      }
    }
    for (std::size_t i = 0; labels().may_be_numbers && i < labels().numbers.size(); ++i) {
      const std::string_view cell = cells[places().labels[i]];
      take_number(i, number_in(cell), cell, line, pass);
    }
    if (places().weight) row_.back() = faults_.weight_of(cells[*places().weight], line);
    return labels().may_be_classes ? number_of_label(cells[places().labels[0]], line) : 0;
  }

  // A number with leading zeros is a name: its column is a category, if nothing else is said.
  void take_code(std::string_view cell, std::size_t place) {
    if (like_ != nullptr || places().said[place]) return;
    if (table_.guesses.empty()) is_over_ = true;  // it often stands near the beginning; later ones are collected
    table_.guesses[place] = {&find_row(column_rules(), "category", "columns"), std::string(cell)};
    is_wrong_ = true;
  }

  // A category that was guessed is an id if hardly a word comes twice: its column is left out.
  void drop_id(std::size_t place) {
    const auto feature = std::ranges::find(places().features, place);
    if (like_ != nullptr || feature == places().features.end()) return;
    const auto& words = table_.features[static_cast<std::size_t>(feature - places().features.begin())].words;
    if (words == nullptr || words->size() <= kMostOneHot || std::cmp_less(10 * words->size(), 9 * table_.rows()))
      return;
    table_.guesses[place].rule = &find_row(column_rules(), "drop", "columns");
    is_wrong_ = is_over_ = true;
  }

  // A missing value is the word "". 3 and 3.0 are one word. 03 is another word, because it may be a code.
  std::uint32_t number_of_word(CsvFeature& feature, std::string_view cell, std::int64_t line, std::size_t place) {
    WordList& words = *feature.words;
    if (const auto number = words.find(cell)) return *number;
    if (options_.missing == MissingValues::error && is_missing(cell)) {
      faults_.fail("expected a word, got " + in_quotes(cell), line, place, remedy_for(cell));
    }
    const std::string word = category_word(cell);
    if (const auto number = words.find(word)) return *number;
    faults_.check_text(word, place, line);
    if (words.size() == kEnoughWords && table_.guesses.contains(place)) drop_id(place);
    if (words.size() == kMaxWords) {
      faults_.fail("expected at most " + std::to_string(kMaxWords) + " different words, got more", line, place,
                   "it looks like an id; \"drop\" leaves the column out");
    }
    return words.add(word);
  }

  // ---- labels

  // Number i of a label.
  void take_number(std::size_t i, std::optional<double> value, std::string_view cell, std::int64_t line, Pass pass) {
    CsvLabels& all = labels();
    if (!value && !all.may_be_classes) faults_.no_target(cell, places().labels[i], line);
    if (!value) {
      all.may_be_numbers = false;
      return;
    }
    row_[table_.features.size() + i] = static_cast<float>(*value);
    (all.numbers[i].*pass)(*value);
    if (all.fraction.empty() && std::floor(*value) != *value) all.fraction = shortest(*value);
  }

  std::uint32_t number_of_label(std::string_view cell, std::int64_t line) {
    CsvLabels& all = labels();
    if (const auto number = all.words.find(cell)) return *number;
    const std::size_t place = places().labels[0];
    if (is_missing_label(cell)) {
      faults_.fail(
          "expected a label, got " + (cell.empty() ? "nothing" : in_quotes(cell)), line, place,
          "a row without a label teaches nothing: fill it in, or leave the row out; a class needs another word");
    }
    faults_.check_text(cell, place, line);
    if (all.words.size() > kMaxCsvClasses) {
      all.too_many = true;
      return 0;
    }
    all.lines.push_back(line);
    return all.words.add(cell);
  }

  void set_header() {
    for (std::size_t i = 0; i < first_.size(); ++i) faults_.check_text(first_[i], i, first_line_);
    table_.header = first_;
  }

  // ---- the text passes by once: it is digested and given back behind the reader

  void give_back() {
    if (records_.position() - given_back_ < kWindowBytes) return;
    digest_.update(mapped_.bytes().subspan(given_back_, records_.position() - given_back_));
    mapped_.release(given_back_, records_.position() - given_back_);
    given_back_ = records_.position();
    if (!options_.on_progress) return;
    const double share = static_cast<double>(given_back_) / static_cast<double>(mapped_.bytes().size());
    options_.on_progress("reads " + printable(table_.file.filename().string()), share);
  }

  void finish_source() {
    digest_.update(mapped_.bytes().subspan(given_back_));
    table_.source = {name_in_manifest(table_.file), mapped_.bytes().size(), digest_.digest()};
  }

  void note(const std::string& text) {
    table_.notes.push_back(printable(table_.file.filename().string()) + ": " + text);
  }

  MappedFile mapped_;
  char separator_;
  CsvRecords records_;
  CsvOptions options_;
  const CsvTable* like_;
  std::vector<std::string> first_;
  std::int64_t first_line_;
  CsvTable table_;
  CsvFaults faults_;
  CsvLine line_;
  Cells record_;
  std::vector<float> row_;
  DigestStream digest_;
  std::size_t given_back_ = 0;
  bool is_wrong_ = false;  // the rows have shown that a guess does not hold
  bool is_over_ = false;   // and the others need not be read
};

}  // namespace

CsvTable read_csv(const std::filesystem::path& file, const CsvOptions& options, const CsvTable* like) {
  ColumnGuesses guesses;  // each reading adds one at least, and never takes one back
  while (true) {
    TableReader reader(file, options, like, guesses);
    if (std::optional<CsvTable> table = reader.read()) return std::move(*table);
    guesses = reader.guesses();
  }
}

}  // namespace hop::data
