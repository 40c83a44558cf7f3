#include "data/formats/csv_table_internal.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "data/formats/csv_cells.h"
#include "data/formats/csv_header_internal.h"
#include "data/formats/csv_records.h"
#include "data/manifest_internal.h"
#include "data/mapped_file.h"

namespace hop::data {
namespace {

using Cells = std::vector<std::string_view>;

constexpr double kExactInF32 = 16'777'216;      // 2^24: above it not every whole number is an f32
constexpr std::size_t kMaxWords = 1 << 20;      // of a category: their numbers are exact in f32
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
  TableReader(const std::filesystem::path& file, const CsvOptions& options, const CsvTable* like)
      : mapped_(file),
        records_(as_text(mapped_.bytes()), file),
        options_(options),
        like_(like),
        first_(read_first()),
        first_line_(records_.line()),
        table_(start({file, first_, first_line_}, options, like)),
        row_(places().features.size()) {
    for (const std::string& text : places().notes) note(text);
    for (std::size_t i = 0; i < row_.size(); ++i) {
      CsvFeature& feature = table_.features.emplace_back();
      feature.rule = places().rules[places().features[i]];
      if (feature.rule->kind != ColumnKind::category) continue;
      feature.words = like != nullptr ? like->features[i].words : std::make_shared<WordList>();
    }
  }

  CsvTable read() {
    const Cells first(first_.begin(), first_.end());
    std::optional<bool>& has_header = table_.places.has_header;
    if (!has_header) table_.store.append(row_bytes(), 0);  // room for the first record, in case it is a row
    table_.skipped = has_header ? 0 : 1;
    if (has_header == false) append(first, first_line_);
    for (Cells cells; records_.next(cells); give_back()) append(cells, records_.line());
    if (!has_header) {
      has_header = looks_like_header(first_, table_);
      note((*has_header ? "line 1 is taken for the header; " : "no header: line 1 is taken for data; ") +
           std::string(kSayHeader));
      if (!*has_header) precede(first, first_line_);
    }
    if (table_.rows() == 0) throw DataError("[csv] expected rows after the header (" + table_.file.string() + ")");
    if (*has_header) set_header();
    finish_source();
    note_columns();
    return std::move(table_);
  }

 private:
  const CsvPlaces& places() const { return table_.places; }
  ByteView row_bytes() const { return std::as_bytes(std::span(row_)); }

  static CsvTable start(const CsvFirst& first, const CsvOptions& options, const CsvTable* like) {
    CsvPlaces places = place_columns(first, options, like);
    RowStore store(places.features.size() * sizeof(float), scratch_of(options));
    return {.file = first.file, .places = std::move(places), .store = std::move(store)};
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

  // Puts a record into row_ and returns the number of its label.
  std::uint32_t encode(const Cells& cells, std::int64_t line, void (NumberColumn::*pass)(double)) {
    if (cells.size() != places().width) {
      fail("expected " + std::to_string(places().width) + " columns, got " + std::to_string(cells.size()), line);
    }
    for (std::size_t i = 0; i < row_.size(); ++i) {
      const std::size_t place = places().features[i];
      CsvFeature& feature = table_.features[i];
      if (feature.words != nullptr) {
        row_[i] = static_cast<float>(number_of_word(feature, cells[place], line, place));
      } else if (const auto value = number_in(cells[place])) {
        row_[i] = static_cast<float>(*value);
        (feature.numbers.*pass)(*value);
      } else if (options_.missing != MissingValues::error && is_missing(cells[place])) {
        row_[i] = std::numeric_limits<float>::quiet_NaN();
        feature.numbers.miss();
      } else {
        no_number(cells, place, line);
      }
    }
    return number_of_label(cells[places().label], line);
  }

  // A missing value is the word "". 3 and 3.0 are one word. 03 is another word, because it may be a code.
  std::uint32_t number_of_word(CsvFeature& feature, std::string_view cell, std::int64_t line, std::size_t place) {
    WordList& words = *feature.words;
    if (const auto number = words.find(cell)) return *number;
    std::string word(cell);
    if (is_missing(cell)) {
      if (options_.missing == MissingValues::error) {
        fail("expected a word, got " + in_quotes(cell), line, place, remedy_for(cell));
      }
      word = "";
    } else if (cell.find_first_of(".eE") != std::string_view::npos) {
      if (const auto whole = whole_number_in(cell)) word = std::to_string(*whole);
    }
    if (const auto number = words.find(word)) return *number;
    check_text(word, line, place);
    if (words.size() == kMaxWords) {
      fail("expected at most " + std::to_string(kMaxWords) + " different words, got more", line, place,
           "it looks like an id; \"drop\" leaves the column out");
    }
    return words.add(word);
  }

  std::uint32_t number_of_label(std::string_view cell, std::int64_t line) {
    CsvLabels& labels = table_.labels;
    if (const auto number = labels.words.find(cell)) return *number;
    const std::size_t place = places().label;
    if (cell.empty()) fail("expected a label, got nothing", line, place);
    check_text(cell, line, place);
    if (labels.words.size() > kMaxCsvClasses) {
      labels.too_many = true;
      return 0;
    }
    labels.lines.push_back(line);
    return labels.words.add(cell);
  }

  void check_text(std::string_view text, std::int64_t line, std::size_t place) const {
    if (!is_utf8(text)) not_utf8(text, line, place);
    if (text.find('\0') != std::string_view::npos) fail("expected text without zero bytes", line, place);
  }

  // ---- what is wrong with a cell

  [[noreturn]] void no_number(const Cells& cells, std::size_t place, std::int64_t line) const {
    std::string remedy = remedy_for(cells[place]);
    const bool is_word = remedy.empty() || is_truth(cells[place]);
    if (remedy.empty()) {
      const bool by_name = knows_header() && std::holds_alternative<std::string>(options_.label);
      remedy = "is column " + std::to_string(place) +
               " the label? label = " + (by_name ? in_quotes(first_[place]) : std::to_string(place));
    }
    if (is_word) remedy += "; or say that words are categories: columns = " + categories_of(cells);
    if (line == first_line_) remedy += "; if line 1 is a header, say header = true";
    fail("expected a number, got " + in_quotes(cells[place]), line, place, remedy);
  }

  // `{ "city" = "category", "color" = "category" }`: all columns of numbers that hold a word here.
  std::string categories_of(const Cells& cells) const {
    std::string text;
    for (const std::size_t place : places().features) {
      const bool is_number = places().rules[place]->kind != ColumnKind::number || number_in(cells[place]);
      if (is_number || is_missing(cells[place])) continue;
      text += (text.empty() ? "{ " : ", ") + in_quotes(knows_header() ? first_[place] : std::to_string(place)) +
              " = \"category\"";
    }
    return text + " }";
  }

  [[noreturn]] void not_utf8(std::string_view text, std::int64_t line, std::size_t place) const {
    fail("expected UTF-8, got " + in_quotes(text), line, place, "save the file as UTF-8");
  }

  [[noreturn]] void fail(const std::string& message, std::int64_t line, std::optional<std::size_t> column = {},
                         const std::string& remedy = "") const {
    std::string place = table_.file.string() + ", line " + std::to_string(line);
    if (column) place += ", column " + std::to_string(*column);
    if (column && knows_header()) place += " " + in_quotes(first_[*column]);
    throw DataError("[csv] " + message + " (" + place + ")" + (remedy.empty() ? "" : ": " + remedy));
  }

  bool knows_header() const { return places().has_header.value_or(false); }

  void set_header() {
    for (std::size_t i = 0; i < first_.size(); ++i) {
      if (!is_utf8(first_[i])) not_utf8(first_[i], first_line_, i);
    }
    table_.header = first_;
  }

  // ---- the text passes by once: it is digested and given back behind the reader

  void give_back() {
    if (records_.position() - given_back_ < kWindowBytes) return;
    digest_.update(mapped_.bytes().subspan(given_back_, records_.position() - given_back_));
    mapped_.release(given_back_, records_.position() - given_back_);
    given_back_ = records_.position();
  }

  void finish_source() {
    digest_.update(mapped_.bytes().subspan(given_back_));
    table_.source = {name_in_manifest(table_.file), mapped_.bytes().size(), digest_.digest()};
  }

  // ---- what people should know

  void note(const std::string& text) {
    table_.notes.push_back(printable(table_.file.filename().string()) + ": " + text);
  }

  void note_columns() {
    if (like_ == nullptr && options_.label == CsvOptions{}.label) {
      note("the label is " + table_.title(places().label) + "; label = NUMBER or NAME decides");
    }
    for (std::size_t i = 0; i < row_.size(); ++i) {
      if (table_.features[i].words == nullptr) note_numbers(table_.features[i].numbers, places().features[i]);
    }
  }

  void note_numbers(const NumberColumn& numbers, std::size_t place) {
    const std::string title = table_.title(place);
    if (numbers.missing > 0) {
      note(title + " lacks " + std::to_string(numbers.missing) + " of " + std::to_string(table_.rows()) +
           " values: each becomes the median of the training rows" +
           (options_.missing == MissingValues::indicator ? ", with an indicator" : "") +
           "; missing = \"median\", \"indicator\" or \"error\" decides");
    }
    if (like_ != nullptr) return;
    constexpr std::int64_t kFewest = 8;  // fewer may count up by chance
    if (numbers.counts_up && numbers.rows >= kFewest && numbers.missing == 0 && numbers.greatest_error == 0) {
      note(title + " counts the rows: leave it out unless its number means something");
    }
    if (numbers.whole_rounded) {
      note(title + " has whole numbers beyond 16,777,216, which are kept with 7 digits");
    } else if (numbers.is_blurred()) {
      note(title + " has values too near to each other for the 7 digits that are kept: subtract what they share");
    }
  }

  MappedFile mapped_;
  CsvRecords records_;
  CsvOptions options_;
  const CsvTable* like_;
  std::vector<std::string> first_;
  std::int64_t first_line_;
  CsvTable table_;
  std::vector<float> row_;
  DigestStream digest_;
  std::size_t given_back_ = 0;
};

}  // namespace

void NumberColumn::measure(double value) {
  least = std::min(least, value);
  greatest = std::max(greatest, value);
  const double error = std::abs(static_cast<double>(static_cast<float>(value)) - value);
  greatest_error = std::max(greatest_error, error);
  if (std::abs(value) > kExactInF32 && std::floor(value) == value && error != 0) whole_rounded = true;
}

void NumberColumn::include(double value) {
  measure(value);
  const auto rounded = static_cast<float>(value);
  if (rows++ == 0)
    first = rounded;
  else if (rounded != last + 1)
    counts_up = false;
  last = rounded;
}

void NumberColumn::precede(double value) {
  measure(value);
  if (rows++ > 0 && first != static_cast<float>(value) + 1) counts_up = false;
}

void NumberColumn::miss() { ++missing; }

std::string CsvTable::title(std::size_t place) const {
  return "column " + std::to_string(place) + (header.empty() ? "" : " " + in_quotes(header[place]));
}

CsvTable read_csv(const std::filesystem::path& file, const CsvOptions& options, const CsvTable* like) {
  return TableReader(file, options, like).read();
}

}  // namespace hop::data
