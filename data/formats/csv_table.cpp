#include "data/formats/csv_table.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/words.h"
#include "data/formats/csv_cells.h"
#include "data/formats/csv_header.h"
#include "data/mapped_file.h"

namespace hop::data {
namespace {

using Fields = std::vector<std::string>;

constexpr double kExactInF32 = 16'777'216;  // 2^24: above it not every whole number is an f32

std::string in_quotes(std::string_view text) { return "\"" + printable(text) + "\""; }

// `header = false` and the like, in the words of the experiment file and the command line.
constexpr const char* kSayHeader = "header = true or false decides";

// What a column loses when its numbers become f32.
struct Range {
  double least = std::numeric_limits<double>::infinity(), greatest = -least, greatest_error = 0;
  bool whole_rounded = false;  // some whole number is no f32: two ids may become one

  void include(double value) {
    least = std::min(least, value);
    greatest = std::max(greatest, value);
    const double error = std::abs(static_cast<double>(static_cast<float>(value)) - value);
    greatest_error = std::max(greatest_error, error);
    if (std::abs(value) > kExactInF32 && std::floor(value) == value && error != 0) whole_rounded = true;
  }
  // The errors are no longer small beside the differences between the values.
  bool is_blurred() const { return greatest_error * 1000 > greatest - least && greatest > least; }
};

class TableReader {
 public:
  TableReader(const std::filesystem::path& file, const CsvOptions& options, const CsvTable* like)
      : mapped_(file), records_(as_text(mapped_.bytes()), file), options_(options), like_(like) {
    table_.file = file;
    table_.source = source_file(file, mapped_.bytes());
    if (const std::string what = foreign_format(mapped_.bytes()); !what.empty()) {
      throw DataError("[csv] expected comma-separated text, got " + what + " (" + file.string() + ")");
    }
    if (!records_.next(first_)) throw DataError("[csv] expected rows, got an empty file (" + file.string() + ")");
    first_line_ = records_.line();
    if (first_.size() < 2 && like_ == nullptr) one_column();
    place_columns();
    table_.width = static_cast<std::int64_t>(places_.size());
    ranges_.assign(places_.size(), {});
  }

  CsvTable read() {
    Fields fields;
    while (records_.next(fields)) append(fields, records_.line());
    if (!has_header_) decide_header();
    if (!*has_header_) prepend_first();
    if (table_.labels.empty()) throw DataError("[csv] expected rows after the header (" + table_.file.string() + ")");
    if (*has_header_) set_header();
    note_columns();
    return std::move(table_);
  }

 private:
  // ---- which column is what

  void place_columns() {
    if (like_ != nullptr && !like_->header.empty() && options_.header != false && names_match()) return;
    if (like_ != nullptr && first_.size() != like_->columns()) {
      throw DataError("[csv] expected " + std::to_string(like_->columns()) + " columns, as in the training rows, got " +
                      std::to_string(first_.size()) + " (" + table_.file.string() + ")");
    }
    const bool label_has_name = std::holds_alternative<std::string>(options_.label);
    label_ = label_has_name && like_ != nullptr ? like_->label_place : find_label();
    for (std::size_t i = 0; i < first_.size(); ++i) {
      if (i != label_) places_.push_back(i);
    }
    if (options_.header) has_header_ = *options_.header;
    if (label_has_name && like_ == nullptr) has_header_ = true;
    const bool all_words =
        std::ranges::none_of(places_, [&](std::size_t i) { return number_in(first_[i]).has_value(); });
    const bool some_name = std::ranges::any_of(places_, [&](std::size_t i) { return is_name(first_[i]); });
    if (!has_header_ && all_words && some_name) has_header_ = true;
  }

  // Matches the columns of a test file to the names of the training file. False if the first record is not a header.
  bool names_match() {
    const Fields& names = like_->header;
    if (first_ == names) {
      has_header_ = true;
      label_ = like_->label_place;
      for (std::size_t i = 0; i < names.size(); ++i) {
        if (i != label_) places_.push_back(i);
      }
      return true;
    }
    Fields missing;
    for (const std::string& name : names) {
      if (std::ranges::find(first_, name) == first_.end()) missing.push_back(name);
    }
    // A row of data may hold a name of numbers ("2019") by chance; a header has most names, or is made of words.
    const bool has_label = std::ranges::find(missing, names[like_->label_place]) == missing.end();
    const bool is_header = has_label || 2 * missing.size() < names.size() || options_.header == true ||
                           std::ranges::all_of(first_, [](const std::string& cell) { return is_name(cell); });
    if (!is_header) return false;
    has_header_ = true;
    if (!missing.empty()) refuse_missing(missing);
    refuse_duplicates(names, like_->file);
    refuse_duplicates(first_, table_.file);
    const auto place = [&](const std::string& name) {
      return static_cast<std::size_t>(std::ranges::find(first_, name) - first_.begin());
    };
    label_ = place(names[like_->label_place]);
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (i != like_->label_place) places_.push_back(place(names[i]));
    }
    note_ignored(names);
    return true;
  }

  [[noreturn]] void refuse_missing(const Fields& missing) const {
    std::string text;
    for (std::size_t i = 0; i < std::min<std::size_t>(missing.size(), 8); ++i) {
      text += (i == 0 ? "" : ", ") + in_quotes(missing[i]);
    }
    if (missing.size() > 8) text += " and " + std::to_string(missing.size() - 8) + " more";
    throw DataError("[csv] expected the columns of the training rows, got none named " + text +
                    did_you_mean_column(missing[0]) + " (" + table_.file.string() + ", line 1)");
  }

  std::string did_you_mean_column(const std::string& name) const {
    return hint(name, std::span<const std::string>(first_));
  }

  void refuse_duplicates(const Fields& names, const std::filesystem::path& file) const {
    std::set<std::string> seen;
    for (const std::string& name : names) {
      if (seen.insert(name).second) continue;
      throw DataError("[csv] expected columns in the order of the training rows or names that occur once, got " +
                      in_quotes(name) + " twice (" + file.string() + ", line 1)");
    }
  }

  void note_ignored(const Fields& names) {
    std::string ignored;
    for (const std::string& name : first_) {
      if (std::ranges::find(names, name) == names.end()) ignored += (ignored.empty() ? "" : ", ") + in_quotes(name);
    }
    if (!ignored.empty()) note("the training rows have no column " + ignored + ": ignored");
  }

  std::size_t find_label() const {
    const auto width = static_cast<std::int64_t>(first_.size());
    if (const auto* name = std::get_if<std::string>(&options_.label)) {
      const auto found = std::ranges::find(first_, *name);
      if (found != first_.end()) return static_cast<std::size_t>(found - first_.begin());
      throw DataError("[csv] expected a column named " + in_quotes(*name) + " in the header" +
                      did_you_mean_column(*name) + " (" + table_.file.string() + ", line " +
                      std::to_string(first_line_) + ")");
    }
    const std::int64_t place = std::get<std::int64_t>(options_.label);
    if (place < -width || place >= width) {
      throw DataError("[csv] expected a label column below " + std::to_string(width) + ", got " +
                      std::to_string(place) + " (" + table_.file.string() + ")");
    }
    return static_cast<std::size_t>(place < 0 ? place + width : place);
  }

  [[noreturn]] void one_column() const {
    std::string message = "[csv] expected at least 2 columns, separated by commas, got 1";
    for (const auto& [separator, word] :
         {std::pair{';', "semicolons"}, std::pair{'\t', "tabs"}, std::pair{'|', "bars"}}) {
      if (first_.empty() || first_[0].find(separator) == std::string::npos) continue;
      message += std::string("; the columns seem to be separated by ") + word + ": write commas";
      break;
    }
    throw DataError(message + " (" + table_.file.string() + ", line " + std::to_string(first_line_) + ")");
  }

  // ---- rows

  void append(const Fields& fields, std::int64_t line) {
    if (fields.size() != first_.size()) {
      fail("expected " + std::to_string(first_.size()) + " columns, got " + std::to_string(fields.size()), line);
    }
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const auto value = number_in(fields[places_[i]]);
      if (!value) no_number(fields, places_[i], line);
      table_.features.push_back(static_cast<float>(*value));
      ranges_[i].include(*value);
    }
    const std::string& label = fields[label_];
    if (label.empty()) fail("expected a label, got nothing", line, label_);
    if (!is_utf8(label)) not_utf8(label, line, label_);
    if (label.find('\0') != std::string::npos) fail("expected text without zero bytes as a label", line, label_);
    table_.labels.push_back(label);
    table_.lines.push_back(line);
  }

  [[noreturn]] void no_number(const Fields& fields, std::size_t place, std::int64_t line) const {
    const std::string& cell = fields[place];
    std::string remedy = remedy_for(cell);
    if (remedy.empty()) {
      const bool by_name = has_header_.value_or(false) && std::holds_alternative<std::string>(options_.label);
      remedy = "is column " + std::to_string(place) +
               " the label? label = " + (by_name ? in_quotes(first_[place]) : std::to_string(place)) +
               "; a word that is no label must be written as numbers";
    }
    if (line == first_line_) remedy += "; if line 1 is a header, say header = true";
    fail("expected a number, got " + in_quotes(cell), line, place, remedy);
  }

  [[noreturn]] void not_utf8(const std::string& text, std::int64_t line, std::size_t column) const {
    fail("expected UTF-8, got " + in_quotes(text), line, column, "save the file as UTF-8");
  }

  [[noreturn]] void fail(const std::string& message, std::int64_t line, std::optional<std::size_t> column = {},
                         const std::string& remedy = "") const {
    std::string place = table_.file.string() + ", line " + std::to_string(line);
    if (column) place += ", column " + std::to_string(*column);
    if (column && has_header_.value_or(false)) place += " " + in_quotes(first_[*column]);
    throw DataError("[csv] " + message + " (" + place + ")" + (remedy.empty() ? "" : ": " + remedy));
  }

  // ---- the first record

  void decide_header() {
    has_header_ = looks_like_header(first_, label_, places_, table_);
    note((*has_header_ ? "line 1 is taken for the header; " : "no header: line 1 is taken for data; ") +
         std::string(kSayHeader));
  }

  // Puts the first record back: it is a row like the others and comes before them.
  void prepend_first() {
    const std::vector<float> features = std::exchange(table_.features, {});
    const std::vector<std::string> labels = std::exchange(table_.labels, {});
    const std::vector<std::int64_t> lines = std::exchange(table_.lines, {});
    append(first_, first_line_);
    table_.features.insert(table_.features.end(), features.begin(), features.end());
    table_.labels.insert(table_.labels.end(), labels.begin(), labels.end());
    table_.lines.insert(table_.lines.end(), lines.begin(), lines.end());
  }

  void set_header() {
    for (std::size_t i = 0; i < first_.size(); ++i) {
      if (!is_utf8(first_[i])) not_utf8(first_[i], first_line_, i);
    }
    table_.header = first_;
  }

  // ---- what people should know

  void note(const std::string& text) { table_.notes.push_back(printable(table_.file.filename().string()) + ": " + text); }

  void note_columns() {
    table_.label_place = label_;
    if (like_ != nullptr) return;
    if (options_.label == CsvOptions{}.label)
      note("the label is " + column(label_) + "; label = NUMBER or NAME decides");
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const std::string name = column(places_[i]);
      if (counts_rows(i)) note(name + " counts the rows: leave it out unless its number means something");
      if (ranges_[i].whole_rounded) {
        note(name + " has whole numbers beyond 16,777,216, which are kept with 7 digits");
      } else if (ranges_[i].is_blurred()) {
        note(name + " has values too near to each other for the 7 digits that are kept: subtract what they share");
      }
    }
  }

  std::string column(std::size_t place) const {
    return "column " + std::to_string(place) + (table_.header.empty() ? "" : " " + in_quotes(table_.header[place]));
  }

  bool counts_rows(std::size_t feature) const {
    constexpr std::size_t kFewest = 8;  // fewer may count up by chance
    const auto width = places_.size();
    if (table_.labels.size() < kFewest || ranges_[feature].greatest_error != 0) return false;
    for (std::size_t row = 1; row < table_.labels.size(); ++row) {
      if (table_.features[row * width + feature] != table_.features[(row - 1) * width + feature] + 1) return false;
    }
    return true;
  }

  MappedFile mapped_;
  CsvRecords records_;
  CsvOptions options_;
  const CsvTable* like_;
  CsvTable table_;
  Fields first_;
  std::int64_t first_line_ = 0;
  std::size_t label_ = 0;
  std::vector<std::size_t> places_;  // places of the features in a record, in the order of the training rows
  std::optional<bool> has_header_;   // none: decided when all rows are known
  std::vector<Range> ranges_;        // per feature
};

}  // namespace

std::vector<std::string> CsvTable::feature_names() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < header.size(); ++i) {
    if (i != label_place) names.push_back(header[i]);
  }
  return names;
}

CsvTable read_csv(const std::filesystem::path& file, const CsvOptions& options, const CsvTable* like) {
  return TableReader(file, options, like).read();
}

}  // namespace hop::data
